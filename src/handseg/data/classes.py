"""What a label says of a pixel: the set of classes that it may be, since no dataset tells all of them apart.

A set is a sum of the values below. EgoHands says of a pixel that isn't hand: background or forearm; of one that is:
whose hand and which, where its polygons are at hand. UTG, YHG and HGR say of one that is skin: hand or forearm, until
the wrist is known, and nothing of whose and which.
"""

import numpy as np

BACKGROUND, OWN_LEFT, OWN_RIGHT, OTHER_LEFT, OTHER_RIGHT, FOREARM = CLASSES = (1, 2, 4, 8, 16, 32)
HANDS = (OWN_LEFT, OWN_RIGHT, OTHER_LEFT, OTHER_RIGHT)
HAND = sum(HANDS)
UNKNOWN = sum(CLASSES)
# A label in memory is uint8 H×W×6, a plane for each of CLASSES: 255 where a pixel may be of that class, else 0.
PLANES = len(CLASSES)
HAND_PLANES = slice(1, 5)
NOTHING = (255, 0, 0, 0, 0, 0)  # surely background
MIRRORED = (0, 2, 1, 4, 3, 5)  # which plane each becomes in a mirror


def label_planes(background: np.ndarray, hand: np.ndarray, forearm: np.ndarray) -> np.ndarray:
    """A label of whether a pixel may be background, hand (whose and which is unknown) or forearm, each H×W uint8."""
    return np.dstack([background, hand, hand, hand, hand, forearm])


def surely_hand(label: np.ndarray) -> np.ndarray:
    """bool H×W of a label H×W×6: where a hand is possible, and background isn't."""
    return np.asarray((may_be_hand(label) > 0) & (label[..., 0] == 0))


def may_be_hand(label: np.ndarray) -> np.ndarray:
    """uint8 H×W of a label H×W×6: where any class of hand is possible."""
    return np.asarray(label[..., HAND_PLANES].max(axis=2))
