"""Named sources of chance."""

import hashlib
import itertools
import os
import subprocess
import sys

import numpy as np
import torch

from receptive.seeds import generator, named_seed


def test_a_seed_is_half_of_a_published_digest():
    # NIST's example of SHA-256: of "abc", ba7816bf 8f01cfea ...; the seed is the upper 63 bits of its first 64
    assert named_seed("abc") == 0xBA7816BF8F01CFEA >> 1
    text = hashlib.sha256(b"3/train/resnet34/1").hexdigest()
    assert named_seed(3, "train", "resnet34", 1) == int(text[:16], 16) // 2


def test_seeds_are_the_same_in_another_process():
    # the hash of a string is salted by Python in every process; these are not
    code = "from receptive.seeds import named_seed; print(named_seed(0, 'weights', 'alexcnn'))"
    salted = os.environ | {"PYTHONHASHSEED": "12"}
    done = subprocess.run([sys.executable, "-c", code], env=salted, capture_output=True, check=True)
    assert int(done.stdout) == named_seed(0, "weights", "alexcnn")


def test_names_and_numbers_tell_seeds_apart():
    names = ("order", "augment", "dropout", "train", "weights", "1", "01")
    seeds = [named_seed(seed, *words) for seed in (0, 1, 10) for words in itertools.product(names, repeat=2)]
    seeds += [named_seed(seed) for seed in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    # every bit is used
    bits = np.array([[seed >> bit & 1 for bit in range(63)] for seed in seeds]).mean(0)
    assert np.abs(bits - 0.5).max() < 5 * 0.5 / np.sqrt(len(seeds))


def test_generators_repeat_and_differ():
    draw = torch.rand(5, generator=generator(0, "a"))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert torch.equal(torch.rand(5, generator=generator(0, "a")), draw)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(torch.rand(5, generator=generator(0, "b")), draw)
    assert not torch.equal(torch.rand(5, generator=generator(1, "a")), draw)
    expected = torch.Generator().manual_seed(named_seed(0, "a"))
    assert torch.equal(torch.rand(5, generator=expected), draw)


def test_importing_loads_no_torch():
    code = "import sys, receptive.seeds as s; s.named_seed(0, 'a'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
