"""Settings of the whole suite: property tests are judged by their result, never by their speed."""

import os

from hypothesis import settings

# The suite draws the same examples every time, so that it passes or fails for what was changed;
# AUTODIFF_EXPLORE=1 draws new ones.
settings.register_profile("suite", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("AUTODIFF_EXPLORE") == "1" else "suite")
