"""What the figures of a training are called, and what they tell. No torch here."""

from __future__ import annotations

from engines.kind import N_, Bounds, Figure

NEARNESS = Bounds("kid_low", "kid_high", percent=95)
"""The interval of the distance to the set."""

FIGURES = {
    "kid": Figure(
        N_("Distance to the set (KID)"),
        N_("How far the made pictures are from the set: 0 is like it, and lower is better."),
        roots=True,
        bounds=NEARNESS,
    ),
    NEARNESS.low: Figure(
        N_("Distance to the set (KID), at least"),
        N_("The lower end of its interval: as near as it may be, for all that was measured."),
    ),
    NEARNESS.high: Figure(
        N_("Distance to the set (KID), at most"),
        N_("The upper end of its interval: as far as it may be, for all that was measured."),
    ),
    "loss_maker": Figure(
        N_("Loss of the making network"),
        N_("How far it is from convincing the judging network. Ups and downs are normal."),
    ),
    "loss_judge": Figure(
        N_("Loss of the judging network"),
        N_("How badly it tells real from made. Near 0 for long it has won, and little is learned."),
    ),
    "real": Figure(
        N_("Verdict on real pictures"),
        N_("What the judging network says of the set; best when near the verdict on made ones."),
    ),
    "made": Figure(
        N_("Verdict on made pictures"),
        N_("What the judging network says of made ones; best when near the verdict on real ones."),
    ),
    "sign": Figure(
        N_("Sureness about real pictures"),
        N_("1: it knows every picture of the set, maybe by heart. Near 0: it has to guess."),
    ),
    "r1": Figure(
        N_("Gradient penalty (R1)"),
        N_("How steep the judging network is around real pictures; fast growth makes it shaky."),
    ),
    "redrawing": Figure(
        N_("Error of redrawing"),
        N_("How badly the judging network redraws pictures of the set; lower is a better eye."),
    ),
    "gradient": Figure(
        N_("Size of the gradient"),
        N_("How hard one step pulls at the networks. Sudden heights mean that it is shaky."),
    ),
    "augmentation": Figure(
        N_("Share of changed pictures"),
        N_("How often the judging network is shown changed pictures; high for a small set."),
    ),
}
"""In the order in which they are shown: what tells most stands first."""
