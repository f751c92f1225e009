"""Settings of the whole suite: property tests are judged by their result, never by their speed."""

from hypothesis import settings

settings.register_profile("suite", deadline=None, print_blob=True)
settings.load_profile("suite")
