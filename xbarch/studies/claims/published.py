"""The claims of the four abstracts as data: the claim, where its number comes from, and what to compare it with.

A claim names a figure of `xbarch.studies.claims.figures` and the stored workloads on which it is measured. `note` says
what is true of the publication and of its interpretation here whatever the numbers are, `holds` what would have to be
true for the published number to hold; the rest of the sentence that explains a difference is computed. Where a paper is
silent, both readings have a row.
"""

from __future__ import annotations

from xbarch.studies.claims import cited
from xbarch.studies.claims.claim import Adc, Base, Claim, Paper

OWN = Base(name="own", text="the machine's own `dense`: offset encoding, 2-bit cells, 8-bit ADCs")
WIDE = Base(name="8-bit", text="`dense` with 8-bit weights and activations, a guess at the unknown \"original model\"",
            bits=8)
MATCHED = Base(name="matched", text="`dense` with 1-bit cells, differential signs, and 8-bit ADCs, lossless for 128 "
               "rows",
               options=(("sign", "differential"),), overrides=("crossbar.cell_bits=1",))

ADCS = (
    Adc("isaac_split", "the architecture's default, linear and exponential parts fitted to ISAAC's ADC, 4 to 10 bits"),
    Adc("capdac", "2^n / (n + 1), a capacitive-DAC SAR ADC; area is assumed to scale the same way",
        ("components.adc.scaling=capdac",)),
    # 16 mW and 0.0096 mm² times its 4-bit ADC over isaac_split's at 4 bits: 0.2262 / 0.7862 pJ, 284.4 / 361.0 um²
    Adc("forms", "isaac_split scaled to the 4-bit ADC of FORMS (Yuan et al., ISCA 2021; 0.226 pJ and 284 um² in the "
        "Accelergy library)", ("components.adc.power=4.603 mW", "components.adc.area=0.007562 mm^2")),
    Adc("linear", "in proportion to the bits, as converters are priced that stop after the bits they need (Newton, "
        "IEEE Micro 2018) and in PUMA's public simulator: stated at 2 and 3 bits too, where the others are not",
        ("components.adc.scaling=linear",)),
)
PRICES = tuple(adc.name for adc in ADCS[:3])
_FEW_BITS = tuple(adc.name for adc in ADCS)

_SAME = ("this method has the same cells, signs and lossless ADCs as the machine's own `dense`, so the two bases "
         "coincide")

_PAPERS = (
    Paper(key="meng", name="Meng",
          cite="Meng et al., Structured Pruning of RRAM Crossbars for Efficient In-Memory Computing Acceleration of "
          "Deep Neural Networks, IEEE TCAS-II 68(5), 2021",
          base="Published on CIFAR-10 and ImageNet with NeuroSim's periphery, compression against 32-bit weights, "
          "energy against the unpruned 4-bit design; which parts count is not said. On NeuroSim's prices, as this "
          "project has them, the gain of the whole tile is smaller than on ISAAC's, so its periphery does not explain "
          f"the published gain. Here {_SAME}.", bases=(OWN,)),
    Paper(key="huai", name="Huai",
          cite="Huai et al., Crossbar-Aligned & Integer-Only Neural Network Compression for Efficient In-Memory "
          "Acceleration, DATE 2023",
          base="Published on CIFAR-10 against an \"original model\" of which neither precision nor machine is public. "
          "Here "
          f"{_SAME}; dense networks pay for a scaling multiplier, which the method does not need.", bases=(OWN, WIDE)),
    Paper(key="segprune", name="SegPrune",
          cite="Zheng et al., A Flexible Yet Efficient DNN Pruning Approach for Crossbar-Based Processing-in-Memory "
          "Architectures (SegPrune), IEEE TCAD 41(11), 2022",
          base="Published against Hybrid-P, which no public text identifies, and FORMS; the networks and data of the "
          "best cases "
          f"are not public. Here {_SAME}.", bases=(OWN,)),
    Paper(key="xue", name="Xue",
          cite="Xue et al., Hierarchical Non-Structured Pruning for Computing-In-Memory Accelerators with Reduced ADC "
          "Resolution Requirement, DATE 2023",
          base="Published on CIFAR-10 and ImageNet; base, cells, signs and the meaning of \"hardware efficiency\" are "
          "not public. Against the matched base, both sides run on 1-bit cells.", bases=(OWN, MATCHED)),
)

# The dense network that each pruned one is compared with: of the same size, with the same bits.
_DENSE = {
    "resnet18_pruned": "resnet18_dense", "resnet18_huai": "resnet18_dense", "resnet18_segprune": "resnet18_dense",
    "resnet18_xue": "resnet18_dense", "resnet18_imagenet_meng": "resnet18_imagenet_dense",
    "vgg16_meng": "vgg16_dense", "vgg16_huai": "vgg16_dense", "vgg16_segprune": "vgg16_dense",
    "vgg16_xue": "vgg16_dense",
}

_MENG = ("resnet18_pruned", "vgg16_meng")
_HUAI = ("vgg16_huai", "resnet18_huai")
_SEGPRUNE = ("resnet18_segprune", "vgg16_segprune")
_XUE = ("resnet18_xue", "vgg16_xue")
_TRAINED = "the data differ and networks were trained for minutes here, so this does not reproduce the accuracy"
_HYBRID = (Base(name="hybrid_p", text="VGG-16 pruned by Hybrid-P (`hybrid_p`, assumed definition), also to an eighth "
                "of the weights, 4 bits",
                workload="field/vgg16_hybrid_p_8x", datapath=""),)
_FORMS = Base(name="forms", text="VGG-16 pruned by FORMS (`forms`) on `forms_like`, also to an eighth of the weights; "
              "8 bits on both sides", workload="field/vgg16_forms_8x", datapath="", architecture="forms_like", bits=8,
              both=True)
_ALL_FORMS = (_FORMS, *cited.wide_inputs(_FORMS))
_TALL = Base(name="144 rows", text="crossbars of 144 rows on both sides, which hold a group of 16 × 3 × 3 weights in "
             "one piece", overrides=("crossbar.rows=144",))
_NEUROSIM = Base(name="NeuroSim's chip", text="both sides on `neurosim_rram_like`, the prices of NeuroSim's periphery",
                 on="neurosim_rram_like")
_LISTS = Base(name="own, lists in SRAM", text="the machine's own `dense`; SegPrune's lists lie in an SRAM of every IMA "
              "(`index: sram`), which has area and energy of its own, instead of room in the eDRAM buffer that is "
              "taken as free", method=(("index", "sram"),))
_SIX = Base(name="6 cells", text="the dense network on the data path `xue`: 6 one-bit cells for a 4-bit weight, as the "
            "pruned network has, and the converters that its sums need by the same bound", datapath="xue")
_EQUAL = ("the recipes of both keep about an eighth of the weights, so the ratio is chosen, not measured; *At equal "
          "loss* compares ratios")
_RIVAL = "published best cases are at unequal compression ratios: divided by the published ratio they are close to 1"
_GROUPS = "the method's 144-row groups are split over the 128-row crossbars here"
_CELLS = "here a 4-bit weight takes 6 one-bit cells, on `dense` 2, on the matched base 8"
_READ = "what the paper counts as power is not public; energy per image is power at an equal image rate"
_WIDE = "the original model has weights and activations of about 8 bits, against 4 here"
_FAR = ("Hybrid-P, as the paper has it, kept an order of magnitude more weights at the same accuracy than its assumed "
        "definition does here")
_WORSE = "FORMS kept far more weights at the same accuracy on the paper's networks than it does here"
_COUNTED = ("array, converters, sample-and-hold and shift-and-add alone count, groups are read in one piece, and few "
            "of the weights lie in layers that are not pruned")

_CLAIMS = (
    Claim(paper="meng", says="65.4× compression of ResNet-18 (CIFAR-10) over full precision", value=65.4,
          figure="compression", workloads=_MENG, bound="up to ", recipe=True,
          note="counts the weights kept in all layers, unpruned ones too, but no indices",
          holds="the network keeps its accuracy with one weight in 8.18, at 4 bits; that is asked for here, not found"),
    Claim(paper="meng", says="10.9× structured compression of ResNet-18 (ImageNet)", value=10.9, figure="compression",
          workloads=("resnet18_imagenet_meng",), bound="up to ", recipe=True, note="needs ImageNet"),
    Claim(paper="meng", says="7× less energy than the unpruned 4-bit hardware", value=7.0, figure="energy",
          workloads=_MENG, note=_GROUPS, adcs=PRICES, holds=_COUNTED),
    Claim(paper="meng", says="7× less energy than the unpruned 4-bit hardware, whole tile", value=7.0, figure="energy",
          workloads=_MENG, bases=(_TALL, _NEUROSIM),
          note="the paper does not say what counts; here all of a tile does",
          holds=_COUNTED),
    Claim(paper="meng", says="7× less energy than the unpruned 4-bit hardware, array and converters alone", value=7.0,
          figure="array energy", workloads=_MENG, bases=(_TALL, OWN),
          note="the paper does not say what counts; here the array, its converters, sample-and-hold and shift-and-add "
          "do, and drivers, buffers and digital units do not",
          holds="few of the weights lie in layers that are not pruned"),
    Claim(paper="meng", says="energy gain / structural gain, 7 / 8.18", value=7 / (65.4 / 8), figure="energy / weights",
          workloads=_MENG, bases=(_TALL, OWN),
          sure="numbers: abstract; 8.18 = 65.4 / 8 is derived", holds=_COUNTED),
    Claim(paper="meng", says="energy gain / structural gain, 7 / 8.18, array and converters alone",
          value=7 / (65.4 / 8), figure="array energy / weights", workloads=_MENG, bases=(_TALL,),
          sure="numbers: abstract; 8.18 = 65.4 / 8 is derived"),
    Claim(paper="meng", says="1.1 points lower accuracy (ResNet-18, CIFAR-10)", value=-1.1, figure="accuracy",
          workloads=_MENG, note=_TRAINED),
    Claim(paper="huai", says="88.25 % of VGG-16's weights removed", value=88.25, figure="sparsity", workloads=_HUAI,
          recipe=True,
          note="this is the target of the training; runs of whole crossbars come close to it but do not meet it"),
    Claim(paper="huai", says="0.43 points higher accuracy (VGG-16, CIFAR-10)", value=0.43, figure="accuracy",
          workloads=_HUAI, note=_TRAINED),
    Claim(paper="huai", says="19.8× less computing power, read as energy per image", value=19.8, figure="energy",
          workloads=_HUAI,
          sure="number: abstract; its base is unknown", adcs=PRICES, note=_READ, holds=_WIDE),
    Claim(paper="huai", says="19.8× less computing power, read as power while running", value=19.8, figure="power",
          workloads=_HUAI,
          sure="number: abstract; its base is unknown", note=_READ, holds=_WIDE),
    Claim(paper="huai", says="18.8× less area", value=18.8, figure="area", workloads=_HUAI,
          sure="number: abstract; its base is unknown",
          note="the area is that of the occupied tiles", holds=_WIDE),
    Claim(paper="huai", says="smaller chips hold the network", value=None, figure="smallest chip", workloads=_HUAI,
          sure="no number in the abstract", note="the area is that of the whole chip with its off-chip links"),
    Claim(paper="segprune", says="14.6× the pruning ratio of Hybrid-P", value=14.6, figure="weights",
          workloads=("vgg16_segprune",), recipe=True,
          sure="number: abstract; Hybrid-P unidentified", bound="up to ", bases=_HYBRID, note=_EQUAL, holds=_FAR),
    Claim(paper="segprune", says="3.6× the pruning ratio of FORMS", value=3.6, figure="weights",
          workloads=("vgg16_segprune",), bound="up to ", recipe=True, bases=(_FORMS,), note=_EQUAL, holds=_WORSE),
    Claim(paper="segprune", says="13.9× the speed of Hybrid-P", value=13.9, figure="speed",
          workloads=("vgg16_segprune",), bound="up to ",
          sure="number: abstract; Hybrid-P unidentified", bases=_HYBRID, note=_RIVAL, holds=_FAR),
    Claim(paper="segprune", says="3.4× the speed of FORMS", value=3.4, figure="speed", workloads=("vgg16_segprune",),
          bound="up to ", bases=_ALL_FORMS, note=_RIVAL, holds=_WORSE),
    Claim(paper="segprune", says="12.5× less energy than Hybrid-P", value=12.5, figure="energy",
          workloads=("vgg16_segprune",), bound="up to ",
          sure="number: abstract; Hybrid-P unidentified", bases=_HYBRID, note=_RIVAL, holds=_FAR),
    Claim(paper="segprune", says="3.1× less energy than FORMS", value=3.1, figure="energy",
          workloads=("vgg16_segprune",), bound="up to ", bases=_ALL_FORMS, note=_RIVAL, holds=_WORSE),
    Claim(paper="segprune", says="faster than the dense network", value=None, figure="speed", workloads=_SEGPRUNE,
          sure="no number in the abstract"),
    Claim(paper="segprune", says="less energy than the dense network", value=None, figure="energy", workloads=_SEGPRUNE,
          sure="no number in the abstract", adcs=PRICES, bases=(OWN, _LISTS)),
    Claim(paper="segprune", says="speed gain / crossbar gain, 13.9 / 14.6", value=13.9 / 14.6,
          figure="speed / crossbars", workloads=_SEGPRUNE,
          sure="numbers: abstract; their ratio is derived",
          note="the published gain is over Hybrid-P and relative to the pruning ratio, here it is over `dense` and "
          "relative to crossbars",
          holds="copies fill the crossbars that pruning frees without loss, and no layer is read longer than before"),
    Claim(paper="segprune", says="energy gain / crossbar gain, 12.5 / 14.6", value=12.5 / 14.6,
          figure="energy / crossbars", workloads=_SEGPRUNE,
          sure="numbers: abstract; their ratio is derived",
          note="the published gain is over Hybrid-P and relative to the pruning ratio, here it is over `dense` and "
          "relative to crossbars",
          holds="energy falls with the crossbars: early layers, which fill few of them, take little of it"),
    Claim(paper="segprune", says="less than 0.27 % more area", value=0.27, figure="added area", workloads=_SEGPRUNE,
          bound="less than ", bases=(OWN, _LISTS),
          note="components and prices are this project's interpretation; the published base is not stated",
          holds="the lists of rows and filters take room that the machine has anyway"),
    Claim(paper="xue", says="2- or 3-bit ADCs suffice", value=3, figure="ADC bits", workloads=_XUE, bound="up to ",
          recipe=True,
          note="derived from the stored weights with every input at its maximum; the recipe asks for these bits, "
          "and accuracy is what it costs"),
    Claim(paper="xue", says="about 0.25 points lower accuracy", value=-0.25, figure="accuracy", workloads=_XUE,
          bound="about ", note=_TRAINED),
    Claim(paper="xue", says="hardware efficiency +180 %, read as TOPS/W", value=2.8, figure="TOPS/W", workloads=_XUE,
          sure="number: abstract; its meaning is unknown", adcs=_FEW_BITS, bases=(OWN, MATCHED, _SIX),
          note=_CELLS, holds="the base stores a weight in 6 to 8 one-bit cells too, and converters get cheaper with "
          "their bits down to 2 as they do from 8 to 4"),
    Claim(paper="xue", says="hardware efficiency +180 %, read as TOPS/W with each layer's own bits", value=2.8,
          figure="TOPS/W, own bits", workloads=_XUE,
          sure="number: abstract; its meaning is unknown", adcs=_FEW_BITS, bases=(MATCHED, _SIX),
          note="each layer converts at the bits that its sums need, where the machine is built with the most of all "
          "layers", holds="converters can stop after the bits that a layer needs"),
    Claim(paper="xue", says="hardware efficiency +180 %, read as TOPS/mm²", value=2.8, figure="TOPS/mm²",
          workloads=_XUE, adcs=PRICES, note=_CELLS,
          sure="number: abstract; its meaning is unknown"),
)

PAPERS = (*_PAPERS, *cited.PAPERS)
CLAIMS = (*_CLAIMS, *cited.CLAIMS)
DENSE = {**_DENSE, **cited.DENSE}
