"""The claims of the four abstracts as data: what is said, how sure it is, and what to put beside it.

A claim names a figure of `xbarch.studies.claims.figures`, the stored workloads it is measured on, and under which
policies; the first policy gives the headline. `note` is what is true of the publication and of the reading here
whatever the numbers are; the rest of the sentence that explains a difference is computed.
"""

from __future__ import annotations

from xbarch.studies.claims import cited
from xbarch.studies.claims.claim import Adc, Base, Claim, Paper

OWN = Base("own", "the machine's own `dense`: offset encoding, 2-bit cells, 8-bit ADCs")
WIDE = Base("8-bit", "`dense` with 8-bit weights and activations, a guess at the unknown \"original model\"", bits=8)
MATCHED = Base("matched", "`dense` with 1-bit cells, differential signs, and 8-bit ADCs, lossless for 128 rows",
               (("sign", "differential"),), ("crossbar.cell_bits=1",))

ADCS = (
    Adc("isaac_split", "the architecture's default, linear and exponential parts fitted to ISAAC's ADC, 4 to 10 bits"),
    Adc("capdac", "2^n / (n + 1), a capacitive-DAC SAR ADC; area assumed alike", ("components.adc.scaling=capdac",)),
    # 16 mW and 0.0096 mm² times what its 4-bit ADC is of isaac_split's 4 bits: 0.2262 / 0.7862 pJ, 284.4 / 361.0 um²
    Adc("forms", "isaac_split scaled to the 4-bit ADC of FORMS (Yuan et al., ISCA 2021; 0.226 pJ and 284 um² in the "
        "Accelergy library)", ("components.adc.power=4.603 mW", "components.adc.area=0.007562 mm^2")),
)
PRICES = tuple(adc.name for adc in ADCS)

_SAME = "this method has the cells, signs and lossless ADCs of the machine's own `dense`, so the two bases are one"

_PAPERS = (
    Paper("meng", "Meng",
          "Meng et al., Structured Pruning of RRAM Crossbars for Efficient In-Memory Computing Acceleration of Deep "
          "Neural Networks, IEEE TCAS-II 68(5), 2021",
          "Published on CIFAR-10 and ImageNet with NeuroSim's periphery, compression against 32-bit weights, energy "
          f"against the unpruned 4-bit design. Here {_SAME}.", (OWN,)),
    Paper("huai", "Huai",
          "Huai et al., Crossbar-Aligned & Integer-Only Neural Network Compression for Efficient In-Memory "
          "Acceleration, DATE 2023",
          "Published on CIFAR-10 against an \"original model\" whose precision and machine are not public. Here "
          f"{_SAME}; dense networks pay for a scaling multiplier, which the method does without.", (OWN, WIDE)),
    Paper("segprune", "SegPrune",
          "Zheng et al., A Flexible Yet Efficient DNN Pruning Approach for Crossbar-Based Processing-in-Memory "
          "Architectures (SegPrune), IEEE TCAD 41(11), 2022",
          "Published against Hybrid-P, which no public text identifies, and FORMS; networks and data of the best cases "
          f"are not public. Here {_SAME}.", (OWN,)),
    Paper("xue", "Xue",
          "Xue et al., Hierarchical Non-Structured Pruning for Computing-In-Memory Accelerators with Reduced ADC "
          "Resolution Requirement, DATE 2023",
          "Published on CIFAR-10 and ImageNet; base, cells, signs and the meaning of \"hardware efficiency\" are not "
          "public. Against the matched base both sides run on 1-bit cells.", (OWN, MATCHED)),
)

# The dense network that each pruned one is compared with; as large, of the same bits.
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
_SPEED = ("crossbars:2", "crossbars:4", "one_copy", "fit", "area")
_TRAINED = "other data and networks trained for minutes here, so accuracy is no repetition"
_HYBRID = (Base("hybrid_p", "VGG-16 by `hybrid_p` (assumed definition), an eighth kept too, 4 bits",
                workload="field/vgg16_hybridp_8x", datapath=""),)
_FORMS = (Base("forms", "VGG-16 by `forms` on `forms_like`, an eighth kept too; 8 bits on both sides",
               workload="field/vgg16_forms_8x", datapath="", architecture="forms_like", bits=8, both=True),)
_EQUAL = ("both keep about an eighth by their recipes, so the ratio is chosen, not found; at equal accuracy loss see "
          "the field report")
_RIVAL = "published best cases are at unequal ratios: divided by the published ratio of weights they are near 1"
_NEUROSIM = ("the published periphery is NeuroSim's, not public in detail; its 144-row groups are cut by the 128-row "
             "crossbars here")
_CELLS = "here a 4-bit weight takes 6 one-bit cells, on `dense` 2, on the matched base 8"
_READ = "what is counted as power is not public; energy an image is power at an equal rate of images"

_CLAIMS = (
    Claim("meng", "65.4× compression of ResNet-18 (CIFAR-10) over full precision", 65.4, "compression",
          _MENG, bound="up to ", note="kept weights of every layer counted, the unpruned ones too; indices are not"),
    Claim("meng", "10.9× structured compression of ResNet-18 (ImageNet)", 10.9, "compression",
          ("resnet18_imagenet_meng",), bound="up to ", note="needs ImageNet"),
    Claim("meng", "7× less energy than the 4-bit unpruned hardware", 7.0, "energy", _MENG, note=_NEUROSIM, adcs=PRICES),
    Claim("meng", "energy gain / structural gain, 7 / 8.18", 7 / (65.4 / 8), "energy / weights", _MENG,
          sure="numbers: abstract; 8.18 = 65.4 / 8 is derived", note=_NEUROSIM),
    Claim("meng", "1.1 points less accuracy (ResNet-18, CIFAR-10)", -1.1, "accuracy", _MENG, note=_TRAINED),
    Claim("huai", "88.25 % of VGG-16's weights removed", 88.25, "sparsity", _HUAI,
          note="the target the training was given; runs of whole crossbars come near it, not to it"),
    Claim("huai", "0.43 points more accuracy (VGG-16, CIFAR-10)", 0.43, "accuracy", _HUAI, note=_TRAINED),
    Claim("huai", "19.8× less computing power, read as energy an image", 19.8, "energy", _HUAI,
          sure="number: abstract; its base is unknown", adcs=PRICES, note=_READ),
    Claim("huai", "19.8× less computing power, read as power while running", 19.8, "power", _HUAI,
          sure="number: abstract; its base is unknown", policies=("one_copy", "fit", "crossbars:2"), note=_READ),
    Claim("huai", "18.8× less area", 18.8, "area", _HUAI, sure="number: abstract; its base is unknown",
          policies=("fit", "one_copy"), note="area is that of the occupied tiles"),
    Claim("huai", "smaller chips hold the network", None, "smallest chip", _HUAI, sure="no number in the abstract",
          policies=("fit",), note="area counts the whole chip, its off-chip links too"),
    Claim("segprune", "14.6× the pruning ratio of Hybrid-P", 14.6, "weights", ("vgg16_segprune",),
          sure="number: abstract; Hybrid-P unidentified", bound="up to ", policies=("fit",), bases=_HYBRID,
          note=_EQUAL),
    Claim("segprune", "3.6× the pruning ratio of FORMS", 3.6, "weights", ("vgg16_segprune",), bound="up to ",
          policies=("fit",), bases=_FORMS, note=_EQUAL),
    Claim("segprune", "13.9× the speed of Hybrid-P", 13.9, "speed", ("vgg16_segprune",), bound="up to ",
          policies=_SPEED, sure="number: abstract; Hybrid-P unidentified", bases=_HYBRID, note=_RIVAL),
    Claim("segprune", "3.4× the speed of FORMS", 3.4, "speed", ("vgg16_segprune",), bound="up to ",
          policies=("fit", "one_copy", "area"), bases=_FORMS, note=_RIVAL),
    Claim("segprune", "12.5× less energy than Hybrid-P", 12.5, "energy", ("vgg16_segprune",), bound="up to ",
          sure="number: abstract; Hybrid-P unidentified", bases=_HYBRID, note=_RIVAL),
    Claim("segprune", "3.1× less energy than FORMS", 3.1, "energy", ("vgg16_segprune",), bound="up to ",
          policies=("fit", "one_copy"), bases=_FORMS, note=_RIVAL),
    Claim("segprune", "faster than the dense network", None, "speed", _SEGPRUNE, sure="no number in the abstract",
          policies=_SPEED),
    Claim("segprune", "less energy than the dense network", None, "energy", _SEGPRUNE,
          sure="no number in the abstract", adcs=PRICES),
    Claim("segprune", "speed gain / crossbar gain, 13.9 / 14.6", 13.9 / 14.6, "speed / crossbars", _SEGPRUNE,
          sure="numbers: abstract; their ratio is derived", policies=_SPEED,
          note="published against Hybrid-P and over the pruning ratio, here against `dense` and over crossbars"),
    Claim("segprune", "energy gain / crossbar gain, 12.5 / 14.6", 12.5 / 14.6, "energy / crossbars", _SEGPRUNE,
          sure="numbers: abstract; their ratio is derived",
          note="published against Hybrid-P and over the pruning ratio, here against `dense` and over crossbars"),
    Claim("segprune", "less than 0.27 % more area", 0.27, "added area", _SEGPRUNE, bound="less than ",
          note="parts and prices are this project's reading, the published base is not said"),
    Claim("xue", "2- or 3-bit ADCs suffice", 3, "ADC bits", _XUE, bound="up to ",
          note="read off the stored weights with every input at its largest"),
    Claim("xue", "about 0.25 points less accuracy", -0.25, "accuracy", _XUE, bound="about ", note=_TRAINED),
    Claim("xue", "hardware efficiency +180 %, read as TOPS/W", 2.8, "TOPS/W", _XUE,
          policies=("fit", "area"), sure="number: abstract; its meaning is unknown", adcs=PRICES,
          note=_CELLS),
    Claim("xue", "hardware efficiency +180 %, read as TOPS/mm²", 2.8, "TOPS/mm²", _XUE,
          policies=("one_copy", "fit", "area"), adcs=PRICES, note=_CELLS,
          sure="number: abstract; its meaning is unknown"),
)

PAPERS = (*_PAPERS, *cited.PAPERS)
CLAIMS = (*_CLAIMS, *cited.CLAIMS)
DENSE = {**_DENSE, **cited.DENSE}
