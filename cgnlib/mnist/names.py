"""Names and sizes of the MNIST half, torch-free."""

VARIANTS = ("colored", "double-colored", "wildlife")
FACTORS = ("shape", "foreground", "background")  # as in the labels of images; readers call the foreground "texture"
FACTORS_OF = {"colored": FACTORS[:2], "double-colored": FACTORS, "wildlife": FACTORS}
N_CLASSES = 10
SIZE = 32  # pixels
