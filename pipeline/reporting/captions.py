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
            "Columns are layers, from shallow to deep; σ is the softmax. Below an input stands the "
            "autoencoder's D(E(x)): what it lacks, no sample can show. Ours: one sample "
            "D(t⁻¹(v|z)). D&B: what a decoder makes that was trained to reconstruct the input from "
            "z alone. M&V: gradient descent on the pixels, with nothing learned from images. Ours "
            "should look like an image at every depth, since it draws what z leaves open; D&B "
            "averages over it, the more the deeper the layer.",
            "For each of a few animals a grid of small images: five layers in columns, the three "
            "methods in rows, the input and its reconstruction at the left.",
        ),
        Image(
            "figS4",
            "Fig. S4. All samples of each layer, for two inputs",
            "The first two inputs of Fig. 2 and their D(E(x)), below them a row for each layer. "
            "What stays the same along a row is what the layer holds; what changes is what it has "
            "become invariant to, as far as D(E(x)) shows it. D&B's method gives one image per "
            "representation, and cannot tell the two apart.",
            "Two grids of animals, one row per layer, several samples and one reconstruction each; "
            "above them the inputs and their reconstructions by the autoencoder.",
        ),
        Image(
            "figS5",
            "Fig. S5. Rows conv5 and σ(fc8) of Fig. S4, enlarged, first input",
            "The same samples and D&B's image, at the size that shows their quality: how sharp "
            "they are, and whether each of them might be an image of the class.",
            "Enlarged samples and reconstructions of the first input from its first and last "
            "layer.",
        ),
        Image(
            "figS6",
            "Fig. S6. Rows conv5 and σ(fc8) of Fig. S4, enlarged, second input",
            "The same samples and D&B's image, at the size that shows their quality: how sharp "
            "they are, and whether each of them might be an image of the class.",
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
            "and over all samples their mean and their variance. What the mean shows sharply, the "
            "layer holds; where the variance is light, it has become invariant. What is kept but "
            "moves with the pose, such as glasses, blurs in the mean all the same: the chart "
            "below counts it. Deeper layers should leave more open, pose and light rather than "
            "who it is. Colours of the variance (of "
            "images in [0, 1], mean over channels) follow its square root, with one scale for "
            "all layers of an input: its bar ends at the 99.5th percentile (≥).",
            "Four blocks of faces, one per input, with a row for each of five layers: four "
            "samples, their blurred mean and a map of their variance.",
        ),
        Image(
            "variances",
            "Fig. 3, right. Variance of the samples over layers, and what it is made of",
            "(a) A point per input: the variance of its samples, averaged over pixels and "
            "channels, for images in [0, 1]; mean and standard deviation over inputs. (b) Which "
            "factors vary, read by an evaluator network: the variance of what it reads of a number "
            "(yaw, light, length of hair, features of the face) as a share of the same over all "
            "test images, blurred as D's are, or the share of samples that show another class than "
            "the input (smile, glasses, gender). What a layer ignores is near 1 for numbers; what "
            "identifies a person should stay near 0.",
            "A chart with one point per input and layer on a logarithmic axis, and a line chart of "
            "the share of each factor that varies.",
        ),
    ),
    "figs10": (
        Image(
            "figS10",
            "Fig. S10. Animals through FaceNet, which was trained on people",
            "As Fig. 3, left, with t trained on images of animals, and E and D on people and "
            "animals. FaceNet is the same, and never saw an animal. What the samples have in "
            "common with their input, the layer represents nevertheless; the paper finds that the "
            "appearance is kept nearly until the last layer. Each input has its scale of "
            "variance.",
            "Four blocks of animals, one per input, with a row for each of five layers: four "
            "samples, their blurred mean and a map of their variance.",
        ),
        Image(
            "variances",
            "Variance of the samples of Fig. S10 over layers, and what it is made of",
            "As Fig. 3, right: (b) shows yaw, light and the colour of the coat as a share of their "
            "variance over all test images, and the share of samples of another species than the "
            "input. A low share of species means that a layer holds it. Whether it holds the "
            "colour, the correlation in the table tells: samples that all have the same wrong "
            "colour vary little, too.",
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
            "Fire block. Early on, z should be about colours, which columns then do not share; "
            "later about the digit, as far as the accuracy tells it apart.",
            "Two line charts over training steps, with the shares of the digit, foreground and "
            "background factors that z explains; below them two grids of sampled coloured digits.",
        ),
        Image(
            "figS7",
            "Fig. S7. More samples at an early and a late checkpoint",
            "Other inputs than in Fig. 4, as far as there are. Each row keeps one z, each column "
            "one v. What stays the same along a row is what z holds; what changes from column to "
            "column is what the network has become invariant to.",
            "Two grids of sampled coloured digits, from an early and from a late checkpoint; the "
            "first column of each shows the inputs.",
        ),
    ),
    "fig5": (
        Image(
            "fig5",
            "Fig. 5. What an attack changes in the layers of ResNet",
            "A test image that the attack misleads, if there is one. Each row begins with an image "
            "and the class that the network sees in it: the input, the input with random signs "
            "added, the attacked input. v is that of the input, z* = Φ(x*) that of the row's image "
            "x*: D(t⁻¹(v|z*)) shows what of the change reaches a layer. The input layer should "
            "show the image as it is, deep layers of the attacked one the class that the network "
            "sees, and random signs no other class. A single image need not: how many do is "
            "counted below. The percentages tell how much of the variance of z̄ the invariances "
            "explain (Eq. 19, ± a standard error): more in deeper layers, which an attack can use.",
            "Three rows of images of an animal, unchanged, randomly changed and attacked, with a "
            "column per layer; below them, two rows of percentages, ours and the paper's.",
        ),
        Image(
            "figS13",
            "Fig. S13. More attacked inputs",
            "As Fig. 5, for other test images that the attack misleads, as far as there are. How "
            "often a layer shows the class that the network sees after the attack is counted "
            "below.",
            "Blocks of three rows of images of animals, with a column per layer.",
        ),
        Image(
            "shares",
            "How often a layer shows the attack's target",
            "The evaluator reads the species of D(t⁻¹(v|z*)), for all test images whose predicted "
            "class the attack changes. (a) The class that the network sees after the attack, with "
            "95 % intervals (Wilson); (b) the one it saw before. Where the lines of unchanged "
            "images and of random signs coincide, noise as large as the attack has no such effect.",
            "Two line charts over four layers, with a line for each kind of change.",
        ),
    ),
    "fig6": (
        Image(
            "fig6",
            "Fig. 6. Two classifiers and the textures of their inputs",
            "Samples D(t⁻¹(v|z)) for the average pool z of two ResNets: one trained on natural "
            "images, one on stylized images, in which coats say nothing about the species. At "
            "scales laptop and gpu the first saw random parts of its images, the second whole "
            "ones, which adds to the difference. Inputs are held-out animals: natural, in another "
            "species' coat, a patch of coat without shape, and a sketch without coat. D is the "
            "generator of Fig. S11, and t is trained on its images. Samples of the first network "
            "should follow the texture, those of the second the shape, also of a sketch.",
            "Rows of animals: an input, samples through the first network, and samples through "
            "the second; natural inputs, other coats, patches of coat and sketches.",
        ),
        Image(
            "shares",
            "What the samples of Fig. 6 show, over all inputs",
            "Share of samples that show the class of (a) the input's shape and (b) its texture, "
            "with 95 % intervals of a bootstrap over inputs. Diamonds: the share of inputs for "
            "which the network itself predicts this class. A texture bias is high bars in (b), and "
            "low ones in (a) where the coat is another's or missing.",
            "Two bar charts with two bars for each kind of input.",
        ),
        Image(
            "figS12",
            "Fig. S12. More inputs and samples",
            "As Fig. 6, for other inputs of every kind.",
            "Rows of animals as in Fig. 6, for further inputs.",
        ),
        Image(
            "figS11",
            "Fig. S11. How t is trained on a generator's latent codes",
            "W, a part of the generator, embeds the class as h. The dequantiser, a variational "
            "autoencoder, turns h into a draw h̃ from a continuous distribution, on which t can "
            "have a density; with the noise z̃ it makes up z̄. t learns p(z̄|z) for z = Φ(x) of "
            "the images x = D(z̄) of the generator D. It is invertible (double arrows): to sample, "
            "v is drawn, and D(t⁻¹(v|z)) shown. Shaded: networks.",
            "A diagram of boxes and arrows: class, embedding and dequantiser lead to the latent "
            "code, which noise joins; the code leads to the generator and its image, whose "
            "representation conditions the invertible network between the code and v.",
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
            "compared. The further an edit moves the embedding, the more FaceNet relies on what it "
            "changes, this attribute and whatever comes along; the paper finds gender and glasses "
            "to matter most.",
            "Rows of faces: an input, its reconstruction, and six edits of hair, glasses, gender, "
            "beard, age and smile; below them, rows of mean embedding distances.",
        ),
        Image(
            "figS8",
            "Fig. S8. More edits, beside those of StarGAN",
            "Other inputs than in Fig. 7, as far as there are. Ours replaces a factor as there. "
            "StarGAN, a network "
            "trained for such edits alone, gets the attributes of the input with this one negated. "
            "Ours should also change what the attribute causes: the length of hair with gender, "
            "its colour with age, and no beard on a woman.",
            "Inputs with two rows of six edited faces each, ours above StarGAN's.",
        ),
        Image(
            "figS9",
            "Fig. S9. Further edits, and the distances of all edited images from images",
            "Inputs that neither Fig. 7 nor Fig. S8 shows, as far as there are. The rows below are "
            "over all test images. The paper's numbers are of CelebA. "
            "Smaller is better; StarGAN begins with the image itself, ours with what E has kept of "
            "it, so that the distance of reconstructions is the floor of ours.",
            "Inputs with two rows of six edited faces each; below them, a table of Fréchet "
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
