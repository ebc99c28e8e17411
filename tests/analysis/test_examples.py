"""The examples in the docstrings run, and every function at the top of `analysis` has one."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import analysis

FOUND = pkgutil.walk_packages(analysis.__path__, "analysis.")
MODULES = [found.name for found in FOUND if "__main__" not in found.name]
# An exception, which the others raise.
WITHOUT = {"RatingsError"}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_say(name):
    assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("name", sorted(set(analysis.__all__) - WITHOUT))
def test_what_stands_at_the_top_has_an_example(name):
    assert doctest.DocTestParser().get_examples(getattr(analysis, name).__doc__)
