"""Masks: what comes out. Hands, their regions, outlines, owners and tracks; numpy only."""
