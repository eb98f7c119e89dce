"""Factors of the ground truth that an evaluator predicts from samples (Figs. 3 and S10)."""

__all__ = ["COLOUR", "IDENTITY", "NAMES"]

IDENTITY = "face_"
"""Prefix of the columns that distinguish people."""
COLOUR = "coat_hue"
"""The column with the colour of an animal."""
NAMES = {
    "yaw": "yaw",
    "light_azimuth": "light",
    "hair_length": "hair length",
    "Smiling": "smile",
    "Eyeglasses": "glasses",
    "Male": "gender",
    "Young": "age",
    "Black_Hair": "hair",
    "species": "species",
    COLOUR: "coat colour",
}
"""What figures and tables call factors, in the order of the tables."""
