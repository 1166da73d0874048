"""Names of the ImageNet half, in one place and without torch: factors, outputs of the classifier, classes."""

FACTORS = ("shape", "texture", "background")  # in the order of labels, heads and mechanisms
OUTPUTS = ("avg", "shape_texture", *FACTORS)  # of the three-headed classifier: two means, then its heads
# The factors by the names that metrics of control have for them ("control/foreground/background").
FACTOR_OF_METRIC = {"shape": "shape", "foreground": "texture", "background": "background"}
N_CLASSES = 1000  # of ImageNet-1k


def class_indices(text: str) -> tuple[int, ...]:
    """Class indices of a list of numbers and inclusive spans: "404", "8, 10-16". Raises ValueError for another text."""
    found: list[int] = []
    for span in text.split(","):
        first, _, last = span.strip().partition("-")
        found += range(int(first), int(last or first) + 1)
    if found != sorted(set(found)) or not found or found[-1] >= N_CLASSES:
        raise ValueError(f"{text!r} is no ascending list of classes below {N_CLASSES}")
    return tuple(found)


# ImageNet-9 (Xiao et al. 2021), in the order of its labels: classes of ImageNet-1k by class.
NINE = {
    name: class_indices(text)
    for name, text in {
        "dog": "151-170, 173-268",
        "bird": "7-24, 87-100, 127-146",
        "wheeled vehicle": "407-408, 428, 436, 444, 468, 511, 547, 555, 561, 565, 569, 573, 586, 603, 609, 612, 627, "
        "656, 661, 665, 670-671, 675, 690, 705, 717, 734, 751, 757, 791, 802-803, 817, 820, 829, 847, 864, 866-867, "
        "870, 880",
        "reptile": "33-68",
        "carnivore": "269-280, 286-299, 356-362, 387-388",
        "insect": "300-326",
        "instrument": "401-402, 420, 432, 486, 494, 513, 541, 546, 558, 566, 577, 579, 593-594, 641-642, 683-684, 687, "
        "699, 776, 822, 875, 881, 889",
        "primate": "365-384",
        "fish": "0-6, 389-397",
    }.items()
}

# The categories of the cue-conflict stimuli (Geirhos et al. 2019), in alphabetical order.
CATEGORY_INDICES = {
    name: class_indices(text)
    for name, text in {
        "airplane": "404",
        "bear": "294-297",
        "bicycle": "444, 671",
        "bird": "8, 10-16, 18-20, 22-24, 80-83, 87-96, 98-100, 127-133, 135-145",
        "boat": "472, 554, 625, 814, 914",
        "bottle": "440, 720, 737, 898-899, 901, 907",
        "car": "436, 511, 817",
        "cat": "281-286",
        "chair": "423, 559, 765, 857",
        "clock": "409, 530, 892",
        "dog": "152-191, 193-203, 205-226, 228-241, 243-250, 252-257, 259, 261-263, 265-268",
        "elephant": "385-386",
        "keyboard": "508, 878",
        "knife": "499",
        "oven": "766",
        "truck": "555, 569, 656, 675, 717, 734, 864, 867",
    }.items()
}
CATEGORIES = tuple(CATEGORY_INDICES)
