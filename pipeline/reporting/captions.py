"""The figures of the report: their files, titles, captions and descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.reporting.content import Image

__all__ = ["FIGURES"]

FIGURES: Mapping[str, Sequence[Image]] = {
    "table1": (
        Image(
            "fig2",
            "Fig. 2. Images recovered from AlexNet's representation z of an input, by layer",
            "Columns are layers, from shallow to deep; σ is the softmax. Ours: one sample "
            "D(t⁻¹(v|z)). D&B: what a decoder makes that was trained to reconstruct the input from "
            "z alone. M&V: gradient descent on the pixels, with nothing learned from images.",
            "For each of a few animals a grid of small images: five layers in columns, the three "
            "methods in rows, the input at the left.",
        ),
        Image(
            "figS4",
            "Fig. S4. All samples of each layer, for two inputs",
            "What stays the same along a row is what the layer holds; what changes is what it has "
            "become invariant to. D&B's method gives one image per representation.",
            "Two grids of animals, one row per layer, several samples and one reconstruction each; "
            "above them the inputs.",
        ),
        Image(
            "figS5",
            "Fig. S5. Rows conv5 and σ(fc8) of Fig. S4, enlarged, first input",
            "The same samples, at the size that shows their quality.",
            "Enlarged samples and reconstructions of the first input from its first and last "
            "layer.",
        ),
        Image(
            "figS6",
            "Fig. S6. Rows conv5 and σ(fc8) of Fig. S4, enlarged, second input",
            "The same samples, at the size that shows their quality.",
            "Enlarged samples and reconstructions of the second input from its first and last "
            "layer.",
        ),
    ),
    "animals": (
        Image(
            "classes",
            "The animals, by species",
            "Of rendered ones, pose, light, coat and background vary from image to image and are "
            "known.",
            "Rows of animals, one row per species.",
        ),
        Image(
            "factors",
            "What each factor of a rendered animal changes",
            "One factor changes along each row, all others stay as they are.",
            "Rows of one rendered animal head in which one factor changes along the row.",
        ),
    ),
    "stylized": (
        Image(
            "classes",
            "The stylized animals, by species",
            "Every animal wears the coat of another species, drawn at random. One of the two "
            "classifiers of Fig. 6 is trained on them.",
            "Rows of animals, one row per species, each animal in a coat of another one.",
        ),
    ),
    "faces": (
        Image(
            "classes",
            "The people, by identity",
            "Of rendered people, pose, light, background, clothes and smile vary from image to "
            "image; most wear the same beard and glasses, some dye their hair, and they are seen "
            "young and old. All of it is known.",
            "Rows of faces, one row per person.",
        ),
        Image(
            "factors",
            "What each factor of a rendered person changes",
            "One factor changes along each row, all others stay as they are. The six attributes "
            "that Fig. 7 edits are off and on in pairs of four people, with what they cause: "
            "gender changes the length of hair, age its colour.",
            "Rows of rendered people in which one factor changes along the row.",
        ),
    ),
    "digits": (
        Image(
            "classes",
            "The digits of ColorMNIST, by class",
            "Foreground and background colours are random, independent of the digit, and known.",
            "Rows of handwritten digits in random colours, one row per digit.",
        ),
    ),
    "animalfaces": (
        Image(
            "classes",
            "The animals that FaceNet sees in Fig. S10, by class",
            "FaceNet is not trained on them: e and t are, and E and D, which see people too.",
            "Rows of animals, one row per class.",
        ),
    ),
    "fig3": (
        Image(
            "fig3",
            "Fig. 3, left. FaceNet's layers and their invariances",
            "Rows are layers, the shallowest first: samples D(t⁻¹(v|z)) for the z of the input, "
            "and over all samples their mean and their variance. What the mean shows sharply the "
            "layer holds; where the variance is light, it has become invariant.",
            "Four blocks of faces, one per input, with a row for each of five layers: four "
            "samples, their blurred mean and a map of their variance.",
        ),
        Image(
            "variances",
            "Fig. 3, right. Variance of the samples over layers, and what it is made of",
            "(a) A point per input: the variance of its samples, averaged over pixels and "
            "channels, for images in [0, 1]; mean and standard deviation over inputs. (b) Which "
            "factors vary, read by an evaluator network: the variance of a number (yaw, light, "
            "length of hair, features of the face) as a share of its variance over all test "
            "images, or the share of samples that show another class than the input (smile, "
            "glasses, gender).",
            "A chart with one point per input and layer on a logarithmic axis, and a line chart of "
            "the share of each factor that varies.",
        ),
    ),
    "figs10": (
        Image(
            "figS10",
            "Fig. S10. Animals through FaceNet, which was trained on people",
            "As Fig. 3, left, with t trained on images of animals, and E and D on people and "
            "animals. FaceNet is the same, and never saw an animal.",
            "Four blocks of animals, one per input, with a row for each of five layers: four "
            "samples, their blurred mean and a map of their variance.",
        ),
        Image(
            "variances",
            "Variance of the samples of Fig. S10 over layers, and what it is made of",
            "As Fig. 3, right: (b) shows yaw, light and the colour of the coat as a share of their "
            "variance over all test images, and the share of samples of another species than the "
            "input.",
            "A chart with one point per input and layer on a logarithmic axis, and a line chart of "
            "the share of each factor that varies.",
        ),
    ),
    "fig4": (
        Image(
            "fig4",
            "Fig. 4. What SqueezeNet's representation z holds of each factor while it learns to "
            "tell digits",
            "(a) Share of each factor's variance that z explains, Eq. 20 read literally, with the "
            "accuracy on test digits; bands are one bootstrap standard error over inputs and "
            "invariances. (b) The same without the interaction of z and v (first-order index). "
            "(c, d) Samples D(t⁻¹(v|z)) at an early and a late checkpoint: each row keeps the z of "
            "the input at its left, each column keeps one v. z is the output of the penultimate "
            "Fire block.",
            "Two line charts over training steps, with the shares of the digit, foreground and "
            "background factors that z explains; below them two grids of sampled coloured digits.",
        ),
        Image(
            "figS7",
            "Fig. S7. More samples at an early and a late checkpoint",
            "What stays the same along a row is what z holds; what changes from column to column "
            "is what the network has become invariant to.",
            "Two grids of sampled coloured digits, from an early and from a late checkpoint; the "
            "first column of each shows the inputs.",
        ),
    ),
    "fig5": (
        Image(
            "fig5",
            "Fig. 5. What an attack changes in the layers of ResNet",
            "Each row begins with an image and the class that the network sees in it: the input, "
            "the input with random signs added, the attacked input. v is that of the input, z* = "
            "Φ(x*) that of the row's image: D(t⁻¹(v|z*)) shows what of the change reaches a layer. "
            "Below, how much of the variance of z̄ the invariances explain.",
            "Three rows of images of an animal, unchanged, randomly changed and attacked, with a "
            "column per layer; below them, a row of percentages.",
        ),
        Image(
            "figS13",
            "Fig. S13. More attacked inputs",
            "As Fig. 5.",
            "Blocks of three rows of images of animals, with a column per layer.",
        ),
        Image(
            "shares",
            "How often a layer shows the attack's target",
            "The evaluator reads the species of D(t⁻¹(v|z*)), for all test images whose predicted "
            "class the attack changes. (a) The class that the network sees after the attack; (b) "
            "the one it saw before.",
            "Two line charts over four layers, with a line for each kind of change.",
        ),
    ),
    "fig6": (
        Image(
            "fig6",
            "Fig. 6. Two classifiers and the textures of their inputs",
            "Samples D(t⁻¹(v|z)) for the average pool z of two ResNets: one trained on natural "
            "images, one on stylized images, in which coats say nothing about the species. Inputs "
            "are held-out animals: natural, in another species' coat, a patch of coat without "
            "shape, and a sketch without coat. D is a generator, and t is trained on its images.",
            "Rows of animals: an input, samples through the first network, and samples through "
            "the second; natural inputs, other coats, patches of coat and sketches.",
        ),
        Image(
            "shares",
            "What the samples of Fig. 6 show, over all inputs",
            "Share of samples that show the class of (a) the input's shape and (b) its texture, "
            "with 95 % intervals over inputs. Diamonds: the share of inputs for which the network "
            "itself predicts this class. A texture bias is high bars in (b), low ones in (a).",
            "Two bar charts with two bars for each kind of input.",
        ),
        Image(
            "figS12",
            "Fig. S12. More inputs and samples",
            "As Fig. 6.",
            "Rows of animals as in Fig. 6, for further inputs.",
        ),
        Image(
            "figS11",
            "Fig. S11. How t is trained on a generator's latent codes",
            "W embeds the class, the dequantiser turns the embedding h into a draw from a "
            "distribution, and with the noise z̃ it makes up z̄. t learns p(z̄|z) for z = Φ(x) of "
            "the images x that the generator makes. Shaded: networks.",
            "A diagram of boxes and arrows: class and noise become an image, whose representation "
            "conditions the invertible network.",
        ),
    ),
    "fig7": (
        Image(
            "fig7",
            "Fig. 7. One factor of an image replaced by that of another image",
            "(eᵢ) = e(E(x)); in each column one eᵢ is that of a random test image that differs in "
            "this attribute, and D(e⁻¹(…)) is shown. The words above an image tell what it is to "
            "become. A woman is not to be given a beard: in the data, beards are of men. Below, "
            "the mean distance of FaceNet's embeddings before and after: from the input's as in "
            "the paper, and from the reconstruction's, which leaves out what E and D lose. The "
            "paper's distances are those of another network on CelebA: only their order can be "
            "compared.",
            "Rows of faces: an input, its reconstruction, and six edits of hair, glasses, gender, "
            "beard, age and smile; below them, rows of mean embedding distances.",
        ),
        Image(
            "figS8",
            "Fig. S8. More edits, beside those of StarGAN",
            "Ours replaces a factor as in Fig. 7. StarGAN, a network trained for such edits alone, "
            "gets the attributes of the input with this one negated.",
            "Six inputs with two rows of six edited faces each, ours above StarGAN's.",
        ),
        Image(
            "figS9",
            "Fig. S9. Further edits, and the distances of all edited images from images",
            "The rows below are over all test images. The paper's numbers are of CelebA. "
            "Smaller is better; StarGAN begins with the image itself, ours with what E has kept of "
            "it, so that the distance of reconstructions is the floor of ours.",
            "Four inputs with two rows of six edited faces each; below them, a table of Fréchet "
            "and kernel distances for both methods and each attribute.",
        ),
        Image(
            "changes",
            "What is read in edited images",
            "Share of edits in which the evaluator reads an attribute otherwise than before: rows "
            "are edited attributes, columns those that are read. The diagonal should be dark and "
            "the rest light, but for what the edited attribute causes in the data (†): gender "
            "causes beards.",
            "Two tables in shades of blue, ours and StarGAN: six edited attributes by six that are "
            "read.",
        ),
    ),
}
"""The figures of each evaluation and data set, both in the order of the report."""
