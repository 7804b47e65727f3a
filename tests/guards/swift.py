"""A pytest plugin for the guards: a counter-example is enough, it need not be the smallest."""

from hypothesis import Phase, settings

settings.register_profile("swift", phases=(Phase.explicit, Phase.generate), database=None)
settings.load_profile("swift")
