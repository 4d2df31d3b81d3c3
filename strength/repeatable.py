"""A plugin of pytest for runs that are compared with each other: Hypothesis without chance.

The same examples each time, none remembered, no search for the smallest one that fails: what counts
is whether there is any. How fast they are made says nothing on a busy machine.
"""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "repeatable",
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=(HealthCheck.too_slow,),
)
