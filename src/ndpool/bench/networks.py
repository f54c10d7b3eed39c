"""The pooling layers of published networks, at the batch that one would train or serve with."""

from __future__ import annotations

from dataclasses import replace

from .case import Case, Sizes

_ALEXNET = "AlexNet, Krizhevsky et al. 2012"
_VGG = "VGG-16, Simonyan & Zisserman 2014"
_GOOGLENET = "GoogLeNet, Szegedy et al. 2014"
_INCEPTION = "Inception v3, Szegedy et al. 2015"
_RESNET = "ResNet-50 stem, He et al. 2015"
_SPPF = "YOLOv5 SPPF, one of its three poolings, Jocher 2021"
_SPP = "YOLOv3-SPP, 5, 9 and 13 wide, Huang & Wang 2019"
_SAMPLE = "SampleCNN, Lee et al. 2017"
_WAVENET = "the taps of a WaveNet layer, van den Oord et al. 2016"
_I3D = "I3D, Carreira & Zisserman 2017"


def _image(name: str, shape: Sizes, k: int, s: int, p: int, source: str) -> Case:
    return Case(name, "networks", shape, (k, k), (s, s), (p, p), source)


def _rounded_up(name: str, shape: Sizes, source: str) -> Case:
    return replace(_image(name, shape, 3, 2, 0, source), ceil_mode=True)


def _signal(name: str, shape: Sizes, k: int, s: int, source: str) -> Case:
    return Case(name, "networks", shape, (k,), (s,), (0,), source)


def _video(name: str, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes) -> Case:
    return Case(name, "networks", shape, kernel, stride, padding, _I3D)


NETWORKS: tuple[Case, ...] = (
    _image("alexnet pool1", (32, 96, 55, 55), 3, 2, 0, _ALEXNET),
    _image("alexnet pool2", (32, 256, 27, 27), 3, 2, 0, _ALEXNET),
    _image("alexnet pool5", (32, 256, 13, 13), 3, 2, 0, _ALEXNET),
    _image("vgg pool1", (8, 64, 224, 224), 2, 2, 0, _VGG),
    _image("vgg pool2", (8, 128, 112, 112), 2, 2, 0, _VGG),
    _image("vgg pool3", (8, 256, 56, 56), 2, 2, 0, _VGG),
    _image("vgg pool4", (8, 512, 28, 28), 2, 2, 0, _VGG),
    _image("vgg pool5", (8, 512, 14, 14), 2, 2, 0, _VGG),
    _rounded_up("googlenet pool1", (32, 64, 112, 112), _GOOGLENET),
    _rounded_up("googlenet pool2", (32, 192, 56, 56), _GOOGLENET),
    _rounded_up("googlenet pool3", (32, 480, 28, 28), _GOOGLENET),
    _rounded_up("googlenet pool4", (32, 832, 14, 14), _GOOGLENET),
    _image("googlenet inception4", (32, 480, 14, 14), 3, 1, 1, _GOOGLENET),
    _image("googlenet inception5", (32, 832, 7, 7), 3, 1, 1, _GOOGLENET),
    _image("inception pool1", (8, 64, 147, 147), 3, 2, 0, _INCEPTION),
    _image("inception pool2", (8, 192, 71, 71), 3, 2, 0, _INCEPTION),
    _image("resnet stem, batch 1", (1, 64, 112, 112), 3, 2, 1, _RESNET),
    _image("yolo sppf, batch 1", (1, 512, 20, 20), 5, 1, 2, _SPPF),
    _image("yolo spp 9x9", (8, 512, 20, 20), 9, 1, 4, _SPP),
    _signal("samplecnn pool1", (8, 128, 19683), 3, 3, _SAMPLE),
    _signal("samplecnn pool5", (8, 256, 243), 3, 3, _SAMPLE),
    _signal("audio k4 s4", (16, 64, 16000), 4, 4, "a second at 16 kHz"),
    replace(_signal("wavenet dilation 512", (8, 32, 16000), 2, 1, _WAVENET), dilation=512),
    _video("i3d pool2", (1, 64, 32, 112, 112), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    _video("i3d pool3", (1, 192, 32, 56, 56), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    _video("i3d pool4", (1, 480, 32, 28, 28), (3, 3, 3), (2, 2, 2), (1, 1, 1)),
    _video("i3d pool5", (1, 832, 16, 14, 14), (2, 2, 2), (2, 2, 2), (0, 0, 0)),
    _video("i3d inception3", (1, 192, 32, 28, 28), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
)
