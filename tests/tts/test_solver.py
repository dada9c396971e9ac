"""Solvers on fields with known solutions: plain ones inside bespoke ones, orders of convergence, training, files."""

import json

import pytest
import torch

from tts.base.errors import ModelError, UnavailableError, UsageError
from tts.models.solver import Bespoke, Table, choose, growth, integrate, load, nearby, path, save


def toy(x, t):
    """A field that turns and shrinks, faster as time goes on."""
    turned = torch.stack([-x[..., 1], x[..., 0]], dim=-1)
    speed = torch.as_tensor(1 + 3 * t**2).reshape(-1, *[1] * (x.dim() - 1))
    return speed * turned - 0.5 * x + torch.cos(3 * speed)


def start():
    return torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def curved(order, n):
    """Exact values and derivatives of t_r = (r + r^2) / 2 and s_r = exp(sin(2 r) / 2)."""
    r = torch.arange(order * n + 1, dtype=torch.float64) / (order * n)
    s = (torch.sin(2 * r) / 2).exp()
    return Table(order, (r + r**2) / 2, s, ((1 + 2 * r) / 2)[:-1], (s * torch.cos(2 * r))[:-1])


def euler(x, n):
    for i in range(n):
        x = x + 1 / n * toy(x, torch.tensor(i / n))
    return x


def midpoint(x, n):
    for i in range(n):
        x = x + 1 / n * toy(x + 0.5 / n * toy(x, torch.tensor(i / n)), torch.tensor((i + 0.5) / n))
    return x


@pytest.mark.parametrize(("order", "written_out"), [(1, euler), (2, midpoint)])
def test_a_bespoke_solver_begins_as_the_plain_one(order, written_out):
    x = start()
    for table in (Table.plain(order, 5), Bespoke(order, 5).table()):
        torch.testing.assert_close(integrate(toy, x, table), written_out(x, 5), rtol=1e-6, atol=1e-6)
    assert torch.equal(integrate(toy, x.float(), Table.plain(order, 4)), written_out(x.float(), 4))


@pytest.mark.parametrize("order", [1, 2])
def test_it_converges_with_its_order_whatever_time_and_scale_do(order):
    x = start()
    truth = integrate(toy, x, Table.plain(2, 1000))
    errors = [float((integrate(toy, x, curved(order, n)) - truth).norm()) for n in (40, 80)]
    assert torch.log2(torch.tensor(errors[0] / errors[1])).item() == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(("order", "free"), [(1, 4 * 3 - 1), (2, 8 * 3 - 1)])
def test_its_numbers_are_as_many_as_the_paper_has(order, free):
    solver = Bespoke(order, 3)
    assert sum(p.numel() for p in solver.parameters()) == free + 1  # increments of t count by their shares
    with torch.no_grad():
        for parameter in solver.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    table = solver.table()
    assert table.t[0] == 0 and table.t[-1] == 1 and (table.t.diff() > 0).all() and table.s[0] == 1 and (table.s > 0).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", [1, 2])
def test_training_brings_the_end_nearer_than_the_plain_solver_with_as_many_evaluations(order, weighted):
    states = path(toy, start(), 200)
    solver, losses = Bespoke(order, 4).double(), []
    optimizer = torch.optim.Adam(solver.parameters(), 0.02)
    for _ in range(80):
        loss = solver.loss(toy, states, torch.ones(3, 5), weighted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    unseen = start().flip(0) * 0.8
    truth = integrate(toy, unseen, Table.plain(2, 400))
    with torch.no_grad():
        made, plain = (integrate(toy, unseen, table) for table in (solver.table(), Table.plain(order, 4)))
    assert (made - truth).norm() < 0.5 * (plain - truth).norm()


def test_a_point_near_a_path_has_its_value_and_its_slope():
    states, t = path(toy, start(), 100), torch.tensor(0.37, dtype=torch.float64, requires_grad=True)
    x = nearby(toy, states, t)
    torch.testing.assert_close(x.detach(), states[37])
    (slope,) = torch.autograd.grad(x[0, 0, 0], t)
    assert float(slope) == pytest.approx(float(toy(states[37], torch.tensor(0.37))[0, 0, 0]), rel=1e-6)


def test_padding_does_not_count_and_later_growth_weighs_earlier_errors():
    solver, states = Bespoke(2, 3).double(), path(toy, start(), 50)
    mask = torch.ones(3, 5)
    mask[:, 3:] = 0
    other = states.clone()
    other[:, :, 3:] = 7.0
    with torch.no_grad():
        assert torch.isclose(solver.loss(toy, states, mask), solver.loss(toy, other, mask))
    h = 1 / 3
    assert growth(Table.plain(1, 3)).tolist() == pytest.approx([(1 + h) ** 2, 1 + h, 1])
    assert growth(Table.plain(2, 2)).tolist() == pytest.approx([1 + 0.5 * 1.25, 1])


def test_a_request_gets_the_solver_that_it_names_or_the_best_there_is():
    own = Table.plain(2, 4)
    tables = {(2, 4): own}
    assert choose(tables, "midpoint", 4) is own and choose(tables, "midpoint", 4, "bespoke") is own
    assert choose(tables, "midpoint", 4, "midpoint") is not own
    orders = choose(tables, "midpoint", 5).order, choose(tables, "euler", 4).order, choose({}, "midpoint", 4, "euler").order
    assert orders == (2, 1, 1)
    with pytest.raises(UnavailableError, match=r"no bespoke solver of 5 steps; there are: 4"):
        choose(tables, "midpoint", 5, "bespoke")
    with pytest.raises(UsageError, match="rk4"):
        choose(tables, "midpoint", 4, "rk4")


def test_files_give_the_same_solver_and_foreign_or_damaged_ones_are_refused(tmp_path):
    place = save(tmp_path, curved(2, 4), "abc")
    assert place.name == "bespoke-2-4.json" and place.stat().st_size < 2000
    table = load(tmp_path, "abc")[2, 4]
    torch.testing.assert_close(integrate(toy, start(), table), integrate(toy, start(), curved(2, 4)), rtol=1e-4, atol=1e-4)
    with pytest.raises(ModelError, match="for model abc; loaded is other"):
        load(tmp_path, "other")
    whole = json.loads(place.read_text())
    for fault in ({"t": whole["t"][::-1]}, {"s": whole["s"][:-1]}, {"s": [-v for v in whole["s"]]}, {"order": 3}, {"dt": "x"}):
        place.write_text(json.dumps(whole | fault))
        with pytest.raises(ModelError) as caught:
            load(tmp_path, "abc")
        assert caught.value.code == "solver.damaged"
    place.write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        load(tmp_path, "abc")
