"""The claims of the four abstracts as data: the claim, where its number comes from, and what to compare it with.

A claim names a figure of `xbarch.studies.claims.figures`, the stored workloads on which it is measured and the
policies; the first policy gives the headline. `note` says what is true of the publication and of its interpretation
here whatever the numbers are; the rest of the sentence that explains a difference is computed.
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
)
PRICES = tuple(adc.name for adc in ADCS)

_SAME = ("this method has the same cells, signs and lossless ADCs as the machine's own `dense`, so the two bases "
         "coincide")

_PAPERS = (
    Paper(key="meng", name="Meng",
          cite="Meng et al., Structured Pruning of RRAM Crossbars for Efficient In-Memory Computing Acceleration of "
          "Deep Neural Networks, IEEE TCAS-II 68(5), 2021",
          base="Published on CIFAR-10 and ImageNet with NeuroSim's periphery, compression against 32-bit weights, "
          "energy "
          f"against the unpruned 4-bit design. Here {_SAME}.", bases=(OWN,)),
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
_SPEED = ("crossbars:2", "crossbars:4", "one_copy", "fit", "area")
_TRAINED = "the data differ and networks were trained for minutes here, so this does not reproduce the accuracy"
_HYBRID = (Base(name="hybrid_p", text="VGG-16 pruned by Hybrid-P (`hybrid_p`, assumed definition), also to an eighth "
                "of the weights, 4 bits",
                workload="field/vgg16_hybrid_p_8x", datapath=""),)
_FORMS = (Base(name="forms", text="VGG-16 pruned by FORMS (`forms`) on `forms_like`, also to an eighth of the weights; "
               "8 bits on both sides",
               workload="field/vgg16_forms_8x", datapath="", architecture="forms_like", bits=8, both=True),)
_EQUAL = ("the recipes of both keep about an eighth of the weights, so the ratio is chosen, not measured; for equal "
          "loss see the field report")
_RIVAL = "published best cases are at unequal compression ratios: divided by the published ratio they are close to 1"
_NEUROSIM = ("the published periphery is NeuroSim's, not public in detail; the method's 144-row groups are split over "
             "the 128-row crossbars here")
_CELLS = "here a 4-bit weight takes 6 one-bit cells, on `dense` 2, on the matched base 8"
_READ = "what the paper counts as power is not public; energy per image is power at an equal image rate"

_CLAIMS = (
    Claim(paper="meng", says="65.4× compression of ResNet-18 (CIFAR-10) over full precision", value=65.4,
          figure="compression",
          workloads=_MENG, bound="up to ",
          note="counts the weights kept in all layers, unpruned ones too, but no indices"),
    Claim(paper="meng", says="10.9× structured compression of ResNet-18 (ImageNet)", value=10.9, figure="compression",
          workloads=("resnet18_imagenet_meng",), bound="up to ", note="needs ImageNet"),
    Claim(paper="meng", says="7× less energy than the unpruned 4-bit hardware", value=7.0, figure="energy",
          workloads=_MENG, note=_NEUROSIM, adcs=PRICES),
    Claim(paper="meng", says="energy gain / structural gain, 7 / 8.18", value=7 / (65.4 / 8), figure="energy / weights",
          workloads=_MENG,
          sure="numbers: abstract; 8.18 = 65.4 / 8 is derived", note=_NEUROSIM),
    Claim(paper="meng", says="1.1 points lower accuracy (ResNet-18, CIFAR-10)", value=-1.1, figure="accuracy",
          workloads=_MENG, note=_TRAINED),
    Claim(paper="huai", says="88.25 % of VGG-16's weights removed", value=88.25, figure="sparsity", workloads=_HUAI,
          note="this is the target of the training; runs of whole crossbars come close to it but do not meet it"),
    Claim(paper="huai", says="0.43 points higher accuracy (VGG-16, CIFAR-10)", value=0.43, figure="accuracy",
          workloads=_HUAI, note=_TRAINED),
    Claim(paper="huai", says="19.8× less computing power, read as energy per image", value=19.8, figure="energy",
          workloads=_HUAI,
          sure="number: abstract; its base is unknown", adcs=PRICES, note=_READ),
    Claim(paper="huai", says="19.8× less computing power, read as power while running", value=19.8, figure="power",
          workloads=_HUAI,
          sure="number: abstract; its base is unknown", policies=("one_copy", "fit", "crossbars:2"), note=_READ),
    Claim(paper="huai", says="18.8× less area", value=18.8, figure="area", workloads=_HUAI,
          sure="number: abstract; its base is unknown",
          policies=("fit", "one_copy"), note="the area is that of the occupied tiles"),
    Claim(paper="huai", says="smaller chips hold the network", value=None, figure="smallest chip", workloads=_HUAI,
          sure="no number in the abstract",
          policies=("fit",), note="the area is that of the whole chip with its off-chip links"),
    Claim(paper="segprune", says="14.6× the pruning ratio of Hybrid-P", value=14.6, figure="weights",
          workloads=("vgg16_segprune",),
          sure="number: abstract; Hybrid-P unidentified", bound="up to ", policies=("fit",), bases=_HYBRID,
          note=_EQUAL),
    Claim(paper="segprune", says="3.6× the pruning ratio of FORMS", value=3.6, figure="weights",
          workloads=("vgg16_segprune",), bound="up to ",
          policies=("fit",), bases=_FORMS, note=_EQUAL),
    Claim(paper="segprune", says="13.9× the speed of Hybrid-P", value=13.9, figure="speed",
          workloads=("vgg16_segprune",), bound="up to ",
          policies=_SPEED, sure="number: abstract; Hybrid-P unidentified", bases=_HYBRID, note=_RIVAL),
    Claim(paper="segprune", says="3.4× the speed of FORMS", value=3.4, figure="speed", workloads=("vgg16_segprune",),
          bound="up to ",
          policies=("fit", "one_copy", "area"), bases=_FORMS, note=_RIVAL),
    Claim(paper="segprune", says="12.5× less energy than Hybrid-P", value=12.5, figure="energy",
          workloads=("vgg16_segprune",), bound="up to ",
          sure="number: abstract; Hybrid-P unidentified", bases=_HYBRID, note=_RIVAL),
    Claim(paper="segprune", says="3.1× less energy than FORMS", value=3.1, figure="energy",
          workloads=("vgg16_segprune",), bound="up to ",
          policies=("fit", "one_copy"), bases=_FORMS, note=_RIVAL),
    Claim(paper="segprune", says="faster than the dense network", value=None, figure="speed", workloads=_SEGPRUNE,
          sure="no number in the abstract",
          policies=_SPEED),
    Claim(paper="segprune", says="less energy than the dense network", value=None, figure="energy", workloads=_SEGPRUNE,
          sure="no number in the abstract", adcs=PRICES),
    Claim(paper="segprune", says="speed gain / crossbar gain, 13.9 / 14.6", value=13.9 / 14.6,
          figure="speed / crossbars", workloads=_SEGPRUNE,
          sure="numbers: abstract; their ratio is derived", policies=_SPEED,
          note="the published gain is over Hybrid-P and relative to the pruning ratio, here it is over `dense` and "
          "relative to crossbars"),
    Claim(paper="segprune", says="energy gain / crossbar gain, 12.5 / 14.6", value=12.5 / 14.6,
          figure="energy / crossbars", workloads=_SEGPRUNE,
          sure="numbers: abstract; their ratio is derived",
          note="the published gain is over Hybrid-P and relative to the pruning ratio, here it is over `dense` and "
          "relative to crossbars"),
    Claim(paper="segprune", says="less than 0.27 % more area", value=0.27, figure="added area", workloads=_SEGPRUNE,
          bound="less than ",
          note="components and prices are this project's interpretation; the published base is not stated"),
    Claim(paper="xue", says="2- or 3-bit ADCs suffice", value=3, figure="ADC bits", workloads=_XUE, bound="up to ",
          note="derived from the stored weights with every input at its maximum"),
    Claim(paper="xue", says="about 0.25 points lower accuracy", value=-0.25, figure="accuracy", workloads=_XUE,
          bound="about ", note=_TRAINED),
    Claim(paper="xue", says="hardware efficiency +180 %, read as TOPS/W", value=2.8, figure="TOPS/W", workloads=_XUE,
          policies=("fit", "area"), sure="number: abstract; its meaning is unknown", adcs=PRICES,
          note=_CELLS),
    Claim(paper="xue", says="hardware efficiency +180 %, read as TOPS/mm²", value=2.8, figure="TOPS/mm²",
          workloads=_XUE,
          policies=("one_copy", "fit", "area"), adcs=PRICES, note=_CELLS,
          sure="number: abstract; its meaning is unknown"),
)

PAPERS = (*_PAPERS, *cited.PAPERS)
CLAIMS = (*_CLAIMS, *cited.CLAIMS)
DENSE = {**_DENSE, **cited.DENSE}
