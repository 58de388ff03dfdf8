"""The claims of the methods that the four papers cite or compare with, as data.

Their networks keep an eighth of the weights here, by recipe; most were published at higher ratios. Savings in percent
are converted to factors.
"""

from __future__ import annotations

from dataclasses import replace

from xbarch.studies.claims.claim import Base, Claim, Paper

_ISAAC = Base(name="dense", text="the machine's own `dense`: offset encoding, 2-bit cells, 8-bit ADCs")
_UNITS = Base(name="units", text="`dense` on `sre_like`, one operation unit after the other, with nothing skipped")
_ROWS = Base(name="full rows", text="`dense` on `isaac_like`, which reads all rows at once", architecture="isaac_like")
_OPTIMIZED = Base(name="optimized", text="the same filters and rows removed, 8 bits, unsigned, on `isaac_like` with "
                  "the packing of `hybrid_p`", workload="field/vgg16_forms_unsigned", datapath="hybrid_p",
                  architecture="isaac_like")


def wide_inputs(base: Base) -> tuple[Base, Base]:
    """Return the two readings of FORMS's 16-bit inputs."""
    both = f"as `{base.name}`, with activations in 16 bits on both sides"
    return (replace(base, name="16-bit inputs", activation_bits=16,
                    text=f"{both}, whose levels are those of the trained network: leading bits are zero"),
            replace(base, name="16-bit levels", level_bits=16,
                    text=f"{both} that divide the trained range into 65,536 levels: no bit is to spare"))


PAPERS = (
    Paper(key="forms", name="FORMS",
          cite="Yuan et al., FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for Mixed-signal DNN "
          "Accelerator, ISCA 2021",
          base="Published against \"optimized ISAAC\", the same pruned 8-bit network without polarization, with 16-bit "
          "inputs; how much of 16 bits activations use is not known here. They have 8 bits as trained, or 16, which is "
          "read both ways: with the trained levels, or with the trained range divided to the last bit. The base reads "
          "the rows it keeps by index, a cost that the paper's base does not have.",
          bases=(_OPTIMIZED, *wide_inputs(_OPTIMIZED),
           Base(name="dense, 8-bit", text="`dense` with 8-bit weights and activations on `isaac_like`", bits=8,
                architecture="isaac_like")), architecture="forms_like"),
    Paper(key="pim_prune", name="PIM-Prune",
          cite="Chu et al., PIM-Prune: Fine-Grain DCNN Pruning for Crossbar-Based Process-In-Memory Architecture, DAC "
          "2020",
          base="Published for ResNet-18 against the unpruned network; the abstract does not give the share of weights "
          "kept.",
          bases=(_ISAAC,)),
    Paper(key="sre", name="SRE",
          cite="Yang et al., Sparse ReRAM Engine: Joint Exploration of Activation and Weight Sparsity in Compressed "
          "Neural Networks, ISCA 2019",
          base="Published on networks of structured sparsity learning against operation units that skip nothing.",
          bases=(_UNITS, _ROWS), architecture="sre_like"),
    Paper(key="tinyadc", name="TinyADC",
          cite="Yuan et al., TinyADC: Peripheral Circuit-aware Weight Pruning Framework for Mixed-signal DNN "
          "Accelerators, DATE 2021",
          base="Published on ImageNet against earlier pruning and against a state-of-the-art architecture, neither "
          "named in the abstract.",
          bases=(Base(name="dense", text="`dense` with differential signs like the method, and lossless ADCs for these",
                options=(("sign", "differential"),), overrides=("crossbar.adc_bits=9",)),
           Base(name="structured", text="filters and filter shapes removed (`tiny_but_accurate`), also to an eighth of "
                "the weights",
                workload="field/vgg16_tiny_but_accurate_8x", datapath=""))),
    Paper(key="pattern", name="Kernel reordering",
          cite="Yu et al., High Area/Energy Efficiency RRAM CNN Accelerator with Kernel-Reordering Weight Mapping "
          "Scheme Based on Pattern Pruning, arXiv 2010.06156, 2020",
          base="Published against the naive mapping with operation units; networks and positions kept are not in the "
          "abstract. Here 2 of 9 positions are kept, with units of 16 × 16 and arrays of 128 × 128.",
          bases=(_UNITS,), architecture="sre_like"),
    Paper(key="snrram", name="SNrram",
          cite="Wang et al., SNrram: An Efficient Sparse Neural Network Computation Architecture Based on Resistive "
          "Random-Access Memory, DAC 2018",
          base="Only a trend can be compared: machine, base and networks are not in the abstract.", bases=(_ISAAC,)),
    Paper(key="recom", name="ReCom",
          cite="Ji et al., ReCom: An Efficient Resistive Accelerator for Compressed Deep Neural Networks, DATE 2018",
          base="Only a trend can be compared: machine, base and networks are not in the abstract.", bases=(_ISAAC,)),
    Paper(key="repim", name="RePIM",
          cite="Tsai et al., RePIM: Joint Exploitation of Activation and Weight Repetitions for In-ReRAM DNN "
          "Acceleration, DAC 2021",
          base="Only a trend can be compared: the base is not in the abstract; here the repetitions of whole 4-bit "
          "weights in 16 rows are those that occur; no training makes weights repeat.", bases=(_UNITS,),
          architecture="sre_like"),
    Paper(key="auto_prune", name="AUTO-PRUNE",
          cite="Yang et al., AUTO-PRUNE: Automated DNN Pruning and Mapping for ReRAM-based Accelerator, ICS 2021",
          base="Published against the state of the art, not against a dense network.", bases=(_UNITS,),
          architecture="sre_like"),
    Paper(key="liang", name="Liang",
          cite="Liang et al., Crossbar-aware Neural Network Pruning, IEEE Access 6, 2018",
          base="Published on a semi-folded mapping.", bases=(_ISAAC,)),
    Paper(key="lin", name="Lin",
          cite="Lin et al., Learning the Sparsity for ReRAM: Mapping and Pruning Sparse Neural Network for ReRAM Based "
          "Accelerator, ASP-DAC 2019",
          base="Published against the dense network on PRIME, with crossbars down to 32 × 32.", bases=(_ISAAC,)),
)

_SECOND = "number: second-hand description"
_EIGHTH = "the ratio here is the recipe's 8×; the published one is higher or not stated"
_POSITIONS = "the ratio here follows from keeping 2 of 9 positions"
_UNKNOWN = "the base of the published comparison is not known"
_ASKED = "its networks keep their accuracy at the published ratio, which is asked for here and not found"
_BASE = "its base is one that gains as much less than the dense network here as the factor says"


def _claims(paper: str, workload: str, note: str, *rows: tuple[str, float, str, str],
            sure: str = "number: abstract", datapath: str = "", recipe: tuple[str, ...] = ("crossbars",),
            ) -> tuple[Claim, ...]:
    """Return claims on one workload from (says, value, figure, holds). Ranges and best cases say "up to". recipe: the
    figures that the recipe sets."""
    return tuple(Claim(paper=paper, says=says, value=value, figure=figure, workloads=(workload,), sure=sure,
                       bound="up to " if "up to" in says else "", holds=holds, recipe=figure in recipe,
                       note=note, datapath=datapath) for says, value, figure, holds in rows)


CLAIMS = (
    *_claims("forms", "field/vgg16_forms_8x", "four 4-bit ADCs per crossbar replace one 8-bit ADC",
             ("1.50× GOPS/s/mm² of optimized ISAAC", 1.5, "TOPS/mm²",
              "activations use fewer than 8 of 16 bits: the reads of leading zeros are skipped"),
             ("1.93× GOPS/W of optimized ISAAC", 1.93, "TOPS/W",
              "activations use 8 to 9 of 16 bits: the reads of leading zeros are skipped")),
    *_claims("pim_prune", "field/vgg16_pim_prune_8x", _EIGHTH,
             ("24.85× fewer crossbars (ResNet-18, CIFAR-10)", 24.85, "crossbars", _ASKED),
             ("3.56× fewer crossbars (ResNet-18, ImageNet)", 3.56, "crossbars", _ASKED)),
    *_claims("sre", "field/vgg16_sre_8x", "rows of column groups removed by group lasso stand in for the paper's "
             "networks",
             ("13.1× speed on average", 13.1, "speed", "its networks have fewer zeros than the one here, which keeps "
              "less than the recipe's eighth"),
             ("85.3 % less energy on average, 6.80×", 1 / (1 - 0.853), "energy", "its networks have fewer zeros than "
              "the one here, which keeps less than the recipe's eighth")),
    *_claims("tinyadc", "field/vgg16_tinyadc_8x", _UNKNOWN,
             ("3.5× less power than earlier pruning, read as energy per image", 3.5, "energy",
              "the earlier pruning takes some three times the energy of the dense network here"),
             ("2.9× less area than earlier pruning", 2.9, "area",
              "the earlier pruning takes more than twice the area of the dense network here"),
             ("29 % more GOPS/s/mm²", 1.29, "TOPS/mm²", "the base is the dense network with the same signs"),
             ("40 % more GOPS/W", 1.4, "TOPS/W", "the base is the dense network with the same signs")),
    *_claims("pattern", "field/vgg16_pattern_4x", _POSITIONS,
             ("4.16 up to 5.20× less crossbar area", 5.2, "crossbars", "a kernel keeps about 2 of 9 positions"),
             ("1.98 up to 2.15× less energy", 2.15, "energy", "its base skips units of zeros already, or its networks "
              "keep more positions"),
             ("1.15 up to 1.35× speed", 1.35, "speed", "both sides have one copy or few; with equal crossbars copies "
              "turn saved crossbars into speed")),
    *_claims("snrram", "field/vgg16_snrram_8x", _UNKNOWN,
             ("69.8 % fewer cells, 3.31×", 1 / (1 - 0.698), "crossbars", _ASKED),
             ("35.9 % less power, 1.56×, read as energy per image", 1 / (1 - 0.359), "energy", "its networks keep "
              "about a third of the cells instead of an eighth"),
             ("2.49× speed", 2.49, "speed", _BASE)),
    *_claims("recom", "field/vgg16_recom_8x", _UNKNOWN,
             ("3.37× speed", 3.37, "speed", "its networks are pruned about as far as here"),
             ("2.41× less energy", 2.41, "energy", "its networks keep more weights than an eighth")),
    *_claims("repim", "field/vgg16_pattpim_8x", _UNKNOWN,
             ("15.24× speed on average", 15.24, "speed", "training makes weights repeat, and activations that repeat "
              "are computed once"),
             ("96.07 % less energy on average, 25.4×", 1 / (1 - 0.9607), "energy", "training makes weights repeat, and "
              "activations that repeat are computed once"),
             sure="number: recalled", datapath="repim"),
    *_claims("auto_prune", "field/vgg16_auto_prune_searched", "the ratio is the result of the search; " + _UNKNOWN,
             ("up to 3.3× compression in occupied crossbars", 3.3, "crossbars",
              "its base is a pruned network that takes a third of the dense one's crossbars"),
             ("up to 3.3× energy efficiency", 3.3, "energy",
              "its base is a pruned network that takes less energy than the dense one"), recipe=()),
    *_claims("liang", "field/vgg16_liang_8x", _EIGHTH,
             ("59.8 % fewer crossbars (VGG-16), 2.49×", 1 / (1 - 0.598), "crossbars", _ASKED), sure=_SECOND),
    *_claims("lin", "field/vgg16_lin_8x", _EIGHTH,
             ("3 up to 5× less energy", 5.0, "energy", "its networks are pruned about as far as here"), sure=_SECOND),
)
DENSE = dict.fromkeys((name for claim in CLAIMS for name in claim.workloads), "vgg16_dense")
