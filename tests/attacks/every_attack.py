"""Every native attack in settings that are quick; none is left out."""

from __future__ import annotations

from robustkit_attacks import (
    APGDCE,
    APGDDLR,
    CW,
    CWL2,
    EOT,
    FAB,
    FGSM,
    MIM,
    MSD,
    PGD,
    APGDTargeted,
    AutoAttack,
    DeepFool,
    FABTargeted,
    Noise,
    Square,
    Transfer,
    register_attacks,
)

ELSEWHERE = "other.safetensors"
"""Of `transfer`: tests put the attacked model itself in the place of the one that is loaded."""
EVERY = {
    "fgsm": FGSM(eps=0.05),
    "pgd": PGD(eps=0.05, steps=3, restarts=2),
    "pgd, L2": PGD(eps=0.5, norm="L2", steps=3),
    "pgd, L1": PGD(eps=4, norm="L1", steps=3, keep="first"),
    "mim": MIM(eps=0.05, steps=3, random_start=True),
    "mim, L2": MIM(eps=0.5, norm="L2", steps=3),
    "msd": MSD(linf=0.05, l2=0.5, l1=4.0, steps=3),
    "cw": CW(eps=0.05, steps=3),
    "apgd-ce": APGDCE(eps=0.05, steps=5, restarts=2),
    "apgd-dlr": APGDDLR(eps=0.5, norm="L2", steps=5),
    "apgd-targeted": APGDTargeted(eps=4, norm="L1", steps=5, targets=2),
    "eot": EOT(PGD(eps=0.05, steps=2), samples=2),
    "fab": FAB(steps=3, restarts=2),
    "fab-targeted": FABTargeted(norm="L2", eps=0.5, steps=3, targets=2),
    "square": Square(eps=0.05, queries=30),
    "square, L2": Square(eps=0.5, norm="L2", queries=30),
    "deepfool": DeepFool(steps=10),
    "cw-l2": CWL2(steps=15, search_steps=3, step_size=0.1),
    "transfer": Transfer(PGD(eps=0.05, steps=2), ELSEWHERE),
    "autoattack": AutoAttack(eps=0.03, steps=3, queries=5),
    "noise": Noise(eps=0.1, draws=3),
}
assert {attack.name for attack in EVERY.values()} == {kind.name for kind in register_attacks()}

BY_SCORES = {name: EVERY[name] for name in ("square", "square, L2", "noise")}
BY_GRADIENTS = {name: attack for name, attack in EVERY.items() if name not in BY_SCORES}
