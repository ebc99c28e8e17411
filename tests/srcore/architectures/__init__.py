"""Published architectures that spandrel does not know, as their users would bring them: a file with build()."""
