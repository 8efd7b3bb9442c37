from __future__ import annotations

import numpy as np
import pytest
import torch

import latent_transfer as lt
from latent_transfer import data
from latent_transfer.data import Table


def make_table(rows: int = 12, columns: int = 3) -> Table:
    generator = torch.Generator().manual_seed(3)
    values = 5 + 10 * torch.randn(rows, columns, generator=generator)
    names = tuple("pqrstuvw"[:columns])
    return Table.from_values(values, torch.arange(rows) % 2, ("a", "b"), names)


class TestTable:
    def test_rows_are_images_of_one_pixel_with_their_own_values(self):
        table = make_table()
        batch, labels, *_ = next(table.batches(5))
        assert batch.shape == (5, 3, 1, 1)
        assert torch.equal(batch.flatten(1), table.values[:5])
        assert torch.equal(labels, table.labels[:5])
        assert torch.equal(table.pixels().flatten(1), table.values)
        assert torch.equal(table[3][0].flatten(), table.values[3])
        assert batch.abs().max() > 1  # nothing was squeezed into [0, 1]

    def test_what_a_loss_does_in_place_leaves_the_table_alone(self):
        table = make_table()
        before = table.values.clone()
        for batch, *_ in table.batches(5):
            batch.zero_()
        table.pixels().zero_()
        table[0][0].zero_()
        assert torch.equal(table.values, before)

    def test_selections_are_tables_and_keep_the_columns(self):
        table, generator = make_table(), torch.Generator().manual_seed(0)
        rest, aside = table.split(4, generator)
        chosen = [table.subset([0, 1]), table.subset(slice(2)), table.only("b"), rest, aside]
        chosen += [table.few(2, generator), table.unlabelled(), table.to("cpu")]
        for part in chosen:
            assert type(part) is Table
            assert part.columns == table.columns
        assert torch.equal(table.only("b").values, table.values[1::2])

    def test_shuffled_pass_sees_every_row_once(self):
        table = make_table()
        generator = torch.Generator().manual_seed(1)
        batches = table.batches(5, shuffle=True, generator=generator)
        seen = torch.cat([batch.images for batch in batches]).flatten(1)
        assert not torch.equal(seen, table.values)
        assert torch.equal(seen.sort(0).values, table.values.sort(0).values)

    def test_bits_are_for_pixels(self):
        with pytest.raises(ValueError, match="is for pixels; a table has rows of 3 real numbers"):
            make_table().batches(2, binarize=True, generator=torch.Generator())

    @pytest.mark.parametrize("method", ["grey", "rgb", "resize", "conform", "binarized"])
    def test_a_table_has_no_methods_of_pixels(self, method):
        assert not hasattr(make_table(), method)

    @pytest.mark.parametrize("labels", [torch.tensor([0.9, 1.7]), torch.tensor([0.0, 1.0])])
    def test_float_labels_are_refused_and_never_cut(self, labels):
        with pytest.raises(ValueError, match="labels must be class numbers of an integer type"):
            Table.from_values(torch.zeros(2, 3), labels, ("a", "b"))

    def test_arrays_and_names_that_came_twice_are_refused(self):
        with pytest.raises(TypeError, match=r"values must be a tensor, not a NumPy array"):
            Table.from_values(np.zeros((2, 3)), torch.tensor([0, 1]), ("a", "b"))
        with pytest.raises(TypeError, match="labels must be a tensor, not a NumPy array"):
            Table.from_values(torch.zeros(2, 3), np.array([0, 1]), ("a", "b"))
        with pytest.raises(ValueError, match="but a came twice"):
            Table.from_values(torch.zeros(2, 3), torch.tensor([0, 1]), ("a", "a"))

    def test_bad_values_are_named(self):
        labels = torch.tensor([0, 1])
        with pytest.raises(ValueError, match="must be finite, but 1 of them"):
            Table.from_values(torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), labels, ("a", "b"))
        with pytest.raises(ValueError, match="needs a real matrix N×D"):
            Table.from_values(torch.zeros(2, 3, 1), labels, ("a", "b"))
        with pytest.raises(ValueError, match="from_values takes a matrix"):
            Table(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), labels, ("a", "b"))
        with pytest.raises(ValueError, match="at least one row"):
            Table.from_values(torch.zeros(0, 2), labels[:0], ("a", "b"))
        with pytest.raises(ValueError, match="2 names were given for 3 columns"):
            Table.from_values(torch.zeros(2, 3), labels, ("a", "b"), ("p", "q"))

    def test_standardised_agrees_with_scikit_learn(self):
        from sklearn.preprocessing import StandardScaler

        table = make_table()
        train, test = table.subset(slice(8)), table.subset(slice(8, 12))
        scaler = StandardScaler().fit(train.values.numpy())
        wanted = scaler.transform(test.values.numpy())
        np.testing.assert_allclose(test.standardised(train).values.numpy(), wanted, atol=1e-5)

    def test_standardised_refuses_a_constant_column_and_other_columns(self):
        values = torch.randn(6, 3)
        values[:, 1] = 4.0
        table = Table.from_values(values, torch.zeros(6).long(), ("a",))
        with pytest.raises(ValueError, match=r"columns \[1\] are constant"):
            table.standardised(table)
        with pytest.raises(ValueError, match="the same columns, not 3 and 2"):
            make_table(columns=3).standardised(make_table(columns=2))


class TestLoadTable:
    @pytest.mark.parametrize("name", ["breast_cancer", "book_words"])
    def test_catalogue_tells_the_truth_and_loading_repeats(self, name):
        loaded, again = (data.load_table(name) for _ in range(2))
        entry = data.TABLES[name]
        assert (len(loaded.train), len(loaded.test)) == (entry.train, entry.test)
        assert loaded.train.shape == loaded.test.shape == entry.shape
        assert loaded.classes == loaded.train.classes == loaded.test.classes == entry.classes
        assert torch.equal(loaded.train.images, again.train.images)
        assert torch.equal(loaded.test.images, again.test.images)
        assert loaded.licence
        assert loaded.citation

    def test_split_is_stratified_disjoint_and_complete(self):
        from sklearn.datasets import load_breast_cancer

        loaded, source = data.load_table("breast_cancer", standardise=False), load_breast_cancer()
        both = torch.cat([loaded.train.values, loaded.test.values])
        labels = torch.cat([loaded.train.labels, loaded.test.labels])
        wanted = torch.tensor(source.data, dtype=torch.float32)
        keys = sorted(zip(both.tolist(), labels.tolist(), strict=True))
        assert keys == sorted(zip(wanted.tolist(), source.target.tolist(), strict=True))
        assert loaded.classes == tuple(source.target_names)
        assert loaded.train.columns == tuple(source.feature_names)
        shares = [s.counts()["malignant"] / len(s) for s in (loaded.train, loaded.test)]
        assert shares[0] == pytest.approx(shares[1], abs=0.01)

    def test_the_training_part_alone_sets_the_scale(self):
        loaded, raw = (data.load_table("breast_cancer", standardise=s) for s in (True, False))
        mean, std = raw.train.values.mean(0), raw.train.values.std(0, correction=0)
        assert torch.allclose(loaded.train.values.mean(0), torch.zeros(30), atol=1e-5)
        assert torch.allclose(loaded.train.values.std(0, correction=0), torch.ones(30), atol=1e-4)
        assert torch.allclose(loaded.test.values, (raw.test.values - mean) / std, atol=1e-4)
        assert loaded.test.values.mean(0).abs().max() > 0.01

    def test_book_words_are_counts_and_stay_so(self):
        loaded = data.load_table("book_words")
        both = torch.cat([loaded.train.values, loaded.test.values])
        assert torch.equal(both, both.round())
        assert both.min() == 0
        assert (both.sum(1) > 0).all()
        assert both.sum(0).min() >= 5  # each word occurs in as many paragraphs
        occurrences = both[:, loaded.train.columns.index("encoder")].sum()
        assert 50 < occurrences < 500
        with pytest.raises(ValueError, match="are no counts once standardised"):
            data.load_table("book_words", standardise=True)

    def test_both_parts_of_the_book_words_are_of_the_same_classes(self):
        loaded = data.load_table("book_words")
        for part, held_out in zip(
            loaded.train.counts().values(), loaded.test.counts().values(), strict=True
        ):
            assert held_out == pytest.approx(part / 2, abs=1)

    def test_unknown_name(self):
        with pytest.raises(
            ValueError, match="Unknown table 'iris': known are book_words, breast_cancer"
        ):
            data.load_table("iris")


def test_a_vae_is_fitted_and_judged_as_on_images():
    train = lt.data.load_table("breast_cancer").train
    torch.manual_seed(0)
    likelihood = lt.models.GaussianLikelihood()
    vae = lt.models.mlp_vae(train.shape, (16,), 2, likelihood=likelihood)
    before = lt.evaluation.evidence_bound(vae, train).mean

    def loss(model, batch):
        return lt.objectives.negative_elbo(model, batch.images)

    lt.fit(vae, train, loss, epochs=10, learning_rate=1e-2, progress=False)
    assert lt.evaluation.evidence_bound(vae, train).mean > before + 5
    assert vae.generate(4).shape == (4, 30, 1, 1)
