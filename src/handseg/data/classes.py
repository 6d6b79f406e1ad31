"""What a label says of a pixel: the set of classes that it may be, since no label policy tells all three apart.

A set is a sum of the values below. EgoHands says of a pixel that isn't hand: background or forearm. UTG, YHG and
HGR say of one that is skin: hand or forearm, until the wrist is known.
"""

BACKGROUND, HAND, FOREARM = 1, 2, 4
UNKNOWN = BACKGROUND | HAND | FOREARM
