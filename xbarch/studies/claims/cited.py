"""The claims of the methods that the four papers compare themselves with or cite, as data.

Their networks keep an eighth of the weights here, by recipe; most were published at higher ratios. Savings in percent
are given as the factor they are.
"""

from __future__ import annotations

from xbarch.studies.claims.claim import Base, Claim, Paper

_ISAAC = Base("dense", "the machine's own `dense`: offset encoding, 2-bit cells, 8-bit ADCs")
_UNITS = Base("units", "`dense` on `sre_like`, operation unit by operation unit, nothing skipped")
_ROWS = Base("full rows", "`dense` on `isaac_like`, which reads all rows at once", architecture="isaac_like")

PAPERS = (
    Paper("forms", "FORMS",
          "Yuan et al., FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for Mixed-signal DNN "
          "Accelerator, ISCA 2021",
          "Published against \"optimized ISAAC\", the same pruned 8-bit network without polarization, with 16-bit "
          "inputs. Here inputs have 8 bits; the base reads its kept rows by index, which the paper's does not pay for.",
          (Base("optimized", "the same filters and rows removed, 8 bits, no signs, on `isaac_like` by the packing of "
                "`hybrid_p`", workload="field/vgg16_forms_unsigned", datapath="hybrid_p", architecture="isaac_like"),
           Base("dense, 8-bit", "`dense` with 8-bit weights and activations on `isaac_like`", bits=8,
                architecture="isaac_like")), "forms_like"),
    Paper("pim_prune", "PIM-Prune",
          "Chu et al., PIM-Prune: Fine-Grain DCNN Pruning for Crossbar-Based Process-In-Memory Architecture, DAC 2020",
          "Published for ResNet-18 against the unpruned network; the share of weights kept is not in the abstract.",
          (_ISAAC,)),
    Paper("sre", "SRE",
          "Yang et al., Sparse ReRAM Engine: Joint Exploration of Activation and Weight Sparsity in Compressed Neural "
          "Networks, ISCA 2019",
          "Published on networks of structured sparsity learning against operation units that skip nothing.",
          (_UNITS, _ROWS), "sre_like"),
    Paper("tinyadc", "TinyADC",
          "Yuan et al., TinyADC: Peripheral Circuit-aware Weight Pruning Framework for Mixed-signal DNN Accelerators, "
          "DATE 2021",
          "Published on ImageNet against earlier pruning and against a state-of-the-art architecture, neither named in "
          "the abstract.",
          (Base("dense", "`dense` with differential signs, as the method's, and ADCs that lose nothing of them",
                (("sign", "differential"),), ("crossbar.adc_bits=9",)),
           Base("structured", "filters and filter shapes removed (`tiny_but_accurate`), an eighth kept too",
                workload="field/vgg16_tiny_8x", datapath=""))),
    Paper("pattern", "Kernel reordering",
          "Yu et al., High Area/Energy Efficiency RRAM CNN Accelerator with Kernel-Reordering Weight Mapping Scheme "
          "Based on Pattern Pruning, arXiv 2010.06156, 2020",
          "Published against the naive mapping with operation units; networks and positions kept are not in the "
          "abstract. Here 2 of 9 positions are kept, with units of 16 × 16 and arrays of 128 × 128.",
          (_UNITS,), "sre_like"),
    Paper("snrram", "SNrram",
          "Wang et al., SNrram: An Efficient Sparse Neural Network Computation Architecture Based on Resistive "
          "Random-Access Memory, DAC 2018",
          "A trend: its machine, base and networks are not in the abstract.", (_ISAAC,)),
    Paper("recom", "ReCom",
          "Ji et al., ReCom: An Efficient Resistive Accelerator for Compressed Deep Neural Networks, DATE 2018",
          "A trend: its machine, base and networks are not in the abstract.", (_ISAAC,)),
    Paper("repim", "RePIM",
          "Tsai et al., RePIM: Joint Exploitation of Activation and Weight Repetitions for In-ReRAM DNN Acceleration, "
          "DAC 2021",
          "A trend: the base is not in the abstract; here repetitions of whole 4-bit weights in 16 rows are found as "
          "they are, nothing is trained to repeat.", (_UNITS,), "sre_like"),
    Paper("auto_prune", "AUTO-PRUNE",
          "Yang et al., AUTO-PRUNE: Automated DNN Pruning and Mapping for ReRAM-based Accelerator, ICS 2021",
          "Published against the state of the art, not against a dense network.", (_UNITS,), "sre_like"),
    Paper("liang", "Liang",
          "Liang et al., Crossbar-aware Neural Network Pruning, IEEE Access 6, 2018",
          "Published on a semi-folded mapping.", (_ISAAC,)),
    Paper("lin", "Lin",
          "Lin et al., Learning the Sparsity for ReRAM: Mapping and Pruning Sparse Neural Network for ReRAM Based "
          "Accelerator, ASP-DAC 2019",
          "Published against the dense network on PRIME, with crossbars down to 32 × 32.", (_ISAAC,)),
)

_SPEED = ("fit", "one_copy", "crossbars:2", "area")
_ENERGY = ("fit", "one_copy", "crossbars:2")
_SECOND = "number: second-hand description"
_EIGHTH = "the ratio here is the recipe's 8×, the published one is higher or not said"
_POSITIONS = "the ratio here is that of 2 of 9 positions"
_UNKNOWN = "what it was compared with is not known"


def _claims(paper: str, workload: str, note: str, *rows: tuple[str, float, str, tuple[str, ...]],
            sure: str = "number: abstract", datapath: str = "") -> tuple[Claim, ...]:
    """Claims on one workload: (says, value, figure, policies). Ranges and best cases say "up to"."""
    return tuple(Claim(paper, says, value, figure, (workload,), sure, "up to " if "up to" in says else "", policies,
                       note, datapath=datapath) for says, value, figure, policies in rows)


CLAIMS = (
    *_claims("forms", "field/vgg16_forms_8x", "four 4-bit ADCs a crossbar take the place of one of 8 bits",
             ("1.50× GOPS/s/mm² of optimized ISAAC", 1.5, "TOPS/mm²", ("one_copy", "fit", "area")),
             ("1.93× GOPS/W of optimized ISAAC", 1.93, "TOPS/W", ("fit", "one_copy"))),
    *_claims("pim_prune", "field/vgg16_pimprune_8x", _EIGHTH,
             ("24.85× fewer crossbars (ResNet-18, CIFAR-10)", 24.85, "crossbars", ("fit",)),
             ("3.56× fewer crossbars (ResNet-18, ImageNet)", 3.56, "crossbars", ("fit",))),
    *_claims("sre", "field/vgg16_sre_8x", "rows of column groups removed by group lasso stand for the paper's networks",
             ("13.1× speed on average", 13.1, "speed", _SPEED),
             ("85.3 % less energy on average, 6.80×", 1 / (1 - 0.853), "energy", _ENERGY)),
    *_claims("tinyadc", "field/vgg16_tinyadc_8x", _UNKNOWN,
             ("3.5× less power than earlier pruning, read as energy an image", 3.5, "energy", _ENERGY),
             ("2.9× less area than earlier pruning", 2.9, "area", ("fit", "one_copy")),
             ("29 % more GOPS/s/mm²", 1.29, "TOPS/mm²", ("one_copy", "fit", "area")),
             ("40 % more GOPS/W", 1.4, "TOPS/W", ("fit",))),
    *_claims("pattern", "field/vgg16_pattern_4x", _POSITIONS,
             ("4.16 up to 5.20× less crossbar area", 5.2, "crossbars", ("fit",)),
             ("1.98 up to 2.15× less energy", 2.15, "energy", _ENERGY),
             ("1.15 up to 1.35× speed", 1.35, "speed", _SPEED)),
    *_claims("snrram", "field/vgg16_snrram_8x", _UNKNOWN,
             ("69.8 % fewer cells, 3.31×", 1 / (1 - 0.698), "crossbars", ("fit",)),
             ("35.9 % less power, 1.56×, read as energy an image", 1 / (1 - 0.359), "energy", _ENERGY),
             ("2.49× speed", 2.49, "speed", _SPEED)),
    *_claims("recom", "field/vgg16_recom_8x", _UNKNOWN,
             ("3.37× speed", 3.37, "speed", _SPEED), ("2.41× less energy", 2.41, "energy", _ENERGY)),
    *_claims("repim", "field/vgg16_pattpim_8x", _UNKNOWN,
             ("15.24× speed on average", 15.24, "speed", _SPEED),
             ("96.07 % less energy on average, 25.4×", 1 / (1 - 0.9607), "energy", _ENERGY),
             sure="number: recalled", datapath="repim"),
    *_claims("auto_prune", "field/vgg16_autoprune_searched", "the ratio is what the search found; " + _UNKNOWN,
             ("up to 3.3× compression in occupied crossbars", 3.3, "crossbars", ("fit",)),
             ("up to 3.3× energy efficiency", 3.3, "energy", _ENERGY)),
    *_claims("liang", "field/vgg16_liang_8x", _EIGHTH,
             ("59.8 % fewer crossbars (VGG-16), 2.49×", 1 / (1 - 0.598), "crossbars", ("fit",)), sure=_SECOND),
    *_claims("lin", "field/vgg16_lin_8x", _EIGHTH,
             ("3 up to 5× less energy", 5.0, "energy", _ENERGY), sure=_SECOND),
)
DENSE = dict.fromkeys((name for claim in CLAIMS for name in claim.workloads), "vgg16_dense")
