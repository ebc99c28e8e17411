"""The methods: what one is, those of the paper, those that users add, and how a name becomes a picture."""
