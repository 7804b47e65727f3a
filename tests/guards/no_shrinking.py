"""A pytest plugin for the guards: hypothesis reports the first failing example without shrinking it."""

from hypothesis import Phase, settings

settings.register_profile("no_shrinking", phases=(Phase.explicit, Phase.generate), database=None)
settings.load_profile("no_shrinking")
