"""Settings of InstaNAS' search, without torch; the defaults are those of the official code for CIFAR-10.

Source: AnjieCheng/InstaNAS (pretrain/train.py, search/search.py, search/finetune.py and the commands of its README).
Ours: learning rates of the graph fall by half a cosine in every phase, where that code has steps whose places differ
from data set to data set; ``minutes``, ``points`` and the size of the controller.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mnas_moo.objectives.settings import COUNT, POSITIVE, SHARE

_DECAY = {"ge": 0, "allow_inf_nan": False}


@dataclass(frozen=True)
class InstaNASSettings:
    """How InstaNAS searches.

    Attributes:
        minutes: time of the whole search, which decides how many images an epoch has; None: all.
        points: checkpoints of the search that are kept, fine-tuned and put on the front.
        controller_width: factor on the controller's channels, for meta-graphs that are not much larger than it.
        controller_shrink: images are averaged over so many pixels a side before the controller sees them, for the same.
        pretrain_epochs: passes that train the meta-graph alone; all modules are on in the first half.
        pretrain_batch_size: images a step there.
        pretrain_learning_rate: of SGD there.
        pretrain_weight_decay: of the weights there.
        keep: probability that a module stays on at the end of the second half, where it falls linearly from 1; the
            controller begins with decisions of this probability.
        controller_pretraining: whether the controller, before it decides, learns the classes of the images that the
            graph is pretrained with, by a classifier that is then left out.
        search_epochs: epochs of the joint search, each one pass of the controller and one of the graph.
        batch_size: images a step there.
        learning_rate: of SGD for the graph there.
        controller_learning_rate: of Adam for the controller.
        decay_epochs: epochs after which the controller's learning rate is a tenth.
        exploration: alpha; a probability p becomes alpha p + (1 - alpha)(1 - p).
        entropy: beta; weight of the entropy term.
        right: reward of a right answer in the middle of the band of latencies.
        wrong: reward of a wrong answer.
        latency_exponent: exponent of the reward of latency.
        upper_first: upper end of the band in the first epoch, as a share of the latency of all modules.
        upper_last: in the last epoch, as a share of the latency of the MobileNetV2-like path.
        lower: lower end of the band, as a share of the latency of the least path.
        finetune_epochs: passes that train a kept graph further, for the paths of its controller; 0: none.
        finetune_batch_size: images a step there.
        finetune_learning_rate: of SGD there.
        finetune_weight_decay: of the weights there.
        momentum: of SGD, with Nesterov's step.
        device: see ``objectives.training.settings.Training``.
        threads: CPU threads of a step.
    """

    minutes: float | None = field(default=None, metadata=POSITIVE)
    points: int = field(default=5, metadata=COUNT)
    controller_width: float = field(default=1.0, metadata=POSITIVE)
    controller_shrink: int = field(default=1, metadata=COUNT)
    pretrain_epochs: int = field(default=164, metadata=COUNT)
    pretrain_batch_size: int = field(default=64, metadata={"ge": 4})
    pretrain_learning_rate: float = field(default=0.01, metadata=POSITIVE)
    pretrain_weight_decay: float = field(default=1e-4, metadata=_DECAY)
    keep: float = field(default=0.5, metadata=SHARE)
    controller_pretraining: bool = False
    search_epochs: int = field(default=500, metadata=COUNT)
    batch_size: int = field(default=32, metadata={"ge": 4})
    learning_rate: float = field(default=0.01, metadata=POSITIVE)
    controller_learning_rate: float = field(default=5e-4, metadata=POSITIVE)
    decay_epochs: int = field(default=100, metadata=COUNT)
    exploration: float = field(default=0.8, metadata={"gt": 0.5, "le": 1})
    entropy: float = field(default=0.8, metadata=_DECAY)
    right: float = field(default=30.0, metadata=POSITIVE)
    wrong: float = field(default=0.0, metadata={"allow_inf_nan": False})
    latency_exponent: float = field(default=1.0, metadata=POSITIVE)
    upper_first: float = field(default=0.7, metadata=POSITIVE)
    upper_last: float = field(default=0.5, metadata=POSITIVE)
    lower: float = field(default=1.0, metadata=_DECAY)
    finetune_epochs: int = field(default=300, metadata={"ge": 0})
    finetune_batch_size: int = field(default=256, metadata={"ge": 4})
    finetune_learning_rate: float = field(default=1e-3, metadata=POSITIVE)
    finetune_weight_decay: float = field(default=4e-5, metadata=_DECAY)
    momentum: float = field(default=0.9, metadata={"gt": 0, "lt": 1})
    device: str = "auto"
    threads: int = field(default=1, metadata=COUNT)

    def kept(self, epoch: int) -> float:
        """Probability that a module is on in an epoch of the pretraining, from 0.

        >>> settings = InstaNASSettings(pretrain_epochs=5)
        >>> [settings.kept(epoch) for epoch in range(5)]
        [1.0, 1.0, 1.0, 0.75, 0.5]
        """
        first = self.pretrain_epochs // 2
        last = self.pretrain_epochs - 1
        if epoch < first or last == first:
            return 1.0
        return 1 - (1 - self.keep) * (epoch - first) / (last - first)
