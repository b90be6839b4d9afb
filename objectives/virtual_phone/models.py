"""The phones that a virtual phone can be: what their properties, cores and batteries say.

Values are those which the makers publish (cores and their highest frequencies as Google and Qualcomm state them for
the chips); build numbers and the time factors are invented, but plausible.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """One model of phone.

    Attributes:
        name: ``ro.product.model``.
        device: code name.
        soc: chip.
        soc_manufacturer: maker of the chip.
        android: version of Android.
        build: number of the build.
        cores: (count, highest frequency in kHz) of each cluster, the slowest first.
        time_factor: how many times longer than on this machine an inference takes on its fastest core.
    """

    name: str
    device: str
    soc: str
    soc_manufacturer: str
    android: int
    build: str
    cores: tuple[tuple[int, int], ...]
    time_factor: float

    @property
    def core_frequencies(self) -> list[int]:
        """The highest frequency of each core in kHz."""
        return [frequency for count, frequency in self.cores for _ in range(count)]

    def properties(self, serial: str) -> dict[str, str]:
        """What ``getprop`` knows."""
        sdk = {13: 33, 14: 34, 15: 35}[self.android]
        return {
            "ro.build.characteristics": "nosdcard",
            "ro.build.fingerprint": f"google/{self.device}/{self.device}:{self.android}/{self.build}:user/release-keys",
            "ro.build.id": self.build.partition("/")[0],
            "ro.build.type": "user",
            "ro.build.version.release": str(self.android),
            "ro.build.version.sdk": str(sdk),
            "ro.hardware": self.device,
            "ro.mnas_moo.virtual": "1",  # what tells it from a real one
            "ro.product.board": self.device,
            "ro.product.brand": "google",
            "ro.product.cpu.abi": "arm64-v8a",
            "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
            "ro.product.device": self.device,
            "ro.product.manufacturer": "Google",
            "ro.product.model": self.name,
            "ro.product.name": self.device,
            "ro.serialno": serial,
            "ro.soc.manufacturer": self.soc_manufacturer,
            "ro.soc.model": self.soc,
            "sys.boot_completed": "1",
        }


MODELS = {
    model.name: model
    for model in (
        Model(
            name="Pixel 4",
            device="flame",
            soc="SM8150",
            soc_manufacturer="QTI",
            android=13,
            build="TP1A.221005.002.B2/9382335",
            cores=((4, 1785600), (3, 2419200), (1, 2841600)),
            time_factor=2.5,
        ),
        Model(
            name="Pixel 6",
            device="oriole",
            soc="Tensor",
            soc_manufacturer="Google",
            android=14,
            build="AP2A.240805.005/12025142",
            cores=((4, 1803000), (2, 2253000), (2, 2802000)),
            time_factor=1.6,
        ),
        Model(
            name="Pixel 9",
            device="tokay",
            soc="Tensor G4",
            soc_manufacturer="Google",
            android=15,
            build="AP4A.250105.002/12701944",
            cores=((4, 1950000), (3, 2600000), (1, 3105000)),
            time_factor=1.1,
        ),
    )
}
