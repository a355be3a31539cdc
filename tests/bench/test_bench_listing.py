"""Machine code: the loop of multiply-adds is found among other blocks."""

from importlib.util import find_spec

import numpy as np
import pytest

from bench import listing

CODE = """\
	.text
kernel:
	pushq	%rbx
	movq	$0, %rax
.LBB0_1:
	vmovups	(%rsi), %zmm2
	vfmadd231ps	(%rdi){1to16}, %zmm2, %zmm0
	vfmadd231ps	4(%rdi){1to16}, %zmm2, %zmm1
	vmovups	%zmm1, 64(%rsp)
	addq	$64, %rsi
	jne	.LBB0_1
	# a comment
	vfmadd231ss	(%rdi), %xmm2, %xmm0
	vfmadd231ss	(%rdi), %xmm2, %xmm1
	vfmadd231ss	(%rdi), %xmm2, %xmm3
	jmp	.LBB0_3
.LBB0_3:
	retq
"""


def test_the_loop_is_found_and_counted():
    found = listing.hottest(CODE)
    assert found is not None
    assert found.label == ".LBB0_1"
    assert found.loop
    assert found.instructions == 6
    assert found.fma == {"zmm": 2}
    assert found.vector == {"zmm": 4}
    assert found.stack == 1


def test_blocks_end_with_a_jump_or_before_a_label():
    assert [block.instructions for block in listing.blocks(CODE)] == [2, 6, 4, 1]


def test_scalar_multiply_adds_are_counted_separately():
    scalar = list(listing.blocks(CODE))[2]
    assert scalar.fma == {"scalar": 3}
    assert not scalar.loop


def test_without_a_loop_the_block_with_most_multiply_adds_is_chosen():
    code = CODE.replace("jne	.LBB0_1", "jne	.LBB0_9")
    found = listing.hottest(code)
    assert found is not None
    assert found.fma == {"scalar": 3}


def test_no_multiply_adds():
    assert listing.hottest("f:\n\tretq\n") is None
    assert listing.hottest("") is None


def test_arm():
    code = ".LBB0_1:\n\tfmla\tv0.4s, v1.4s, v2.s[0]\n\tb.ne\t.LBB0_1\n"
    found = listing.hottest(code)
    assert found is not None
    assert found.fma == {"neon": 1}
    assert found.loop


def test_in_words():
    text = str(listing.hottest(CODE))
    assert text.startswith("a loop of 6 instructions; multiply-adds: 2 zmm;")
    assert text.endswith("with the stack: 1")


@pytest.mark.skipif(not find_spec("numba"), reason="reads what Numba compiled")
def test_a_jitted_function_is_found_inside_other_things_and_listed():
    import numba

    @numba.njit
    def total(x):
        s = 0.0
        for value in x:
            s += value
        return s

    total(np.ones(3))
    found = list(listing.dispatchers({"a": [1, (total,)], "b": "text"}))
    assert found == [total]
    assert "ret" in listing.assembly(found[0])
