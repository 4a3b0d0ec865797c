"""What any program can do over HTTP about sets of pictures and trained models."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from atelier.answers import Dataset, DatasetPage, Model, ModelPage
from atelier.multipart import Form
from atelier.problems import TransferError
from atelier.transport import Transport, seconds
from atelier.transport import segment as _segment


class Collecting(Transport):
    """The part of :class:`atelier.client.Studio` for datasets and models."""

    def models(self, limit: int = 20, address: str | None = None) -> ModelPage:
        """A page of models, newest first: the first, or the one at ``address`` (a ``next``)."""
        query = None if address else {"limit": str(limit)}
        page: ModelPage = self._json("GET", address or "/models", query=query)
        return page

    def model(self, model_id: str) -> Model:
        """One model, with what it was made from and what used it."""
        found: Model = self._json("GET", f"/models/{_segment(model_id)}")
        return found

    def add_model(self, path: Path, name: str = "") -> Model:
        """Store a model file; without a ``name`` it is called like the file."""
        with path.open("rb") as stream:
            upload = (f"{name}.safetensors" if name else path.name, stream)
            stored: Model = self._json("POST", "/models", upload=upload)
        return stored

    def rename_model(self, model_id: str, name: str) -> Model:
        """Call a model something else."""
        body = {"name": name}
        renamed: Model = self._json("PATCH", f"/models/{_segment(model_id)}", body=body)
        return renamed

    def delete_model(self, model_id: str) -> None:
        """Forget a model; what was made with it stays."""
        self._send("DELETE", f"/models/{_segment(model_id)}")

    def datasets(self, limit: int = 20, address: str | None = None) -> DatasetPage:
        """A page of datasets, newest first: the first, or the one at ``address`` (a ``next``)."""
        query = None if address else {"limit": str(limit)}
        page: DatasetPage = self._json("GET", address or "/datasets", query=query)
        return page

    def dataset(self, dataset_id: str) -> Dataset:
        """One dataset with its report."""
        found: Dataset = self._json("GET", f"/datasets/{_segment(dataset_id)}")
        return found

    def add_dataset(
        self, archive: Path, *, name: str = "", licence: str = "", parent: str = ""
    ) -> Dataset:
        """Bring a set of pictures as a ZIP, sub-folders being labels; ``parent`` is the dataset
        they are added to, whose name and licence hold unless others are given. It is streamed,
        however large. Raises TransferError for one that is larger than the studio takes."""
        size, limit = archive.stat().st_size, self.datasets(limit=1)["limits"]["upload_bytes"]
        if size > limit:
            raise TransferError(
                f"{archive.name} has {size} bytes; the studio takes {limit} of a set of pictures."
                " Send fewer or smaller pictures, or send them in several sets."
            )
        called = name or ("" if parent else archive.stem)
        said = {"name": called, "licence": licence, "parent": parent}
        with archive.open("rb") as stream:
            form = Form({key: value for key, value in said.items() if value}, archive.name, stream)
            made: Dataset = self._json("POST", "/datasets", form=form)
        return made

    def sample_dataset(
        self, *, per_style: int = 40, size: int = 256, seed: int = 0, name: str = ""
    ) -> Dataset:
        """Have the studio draw a labelled set of abstract art."""
        order = {"per_style": per_style, "size": size, "seed": seed, "name": name}
        made: Dataset = self._json("POST", "/datasets/sample", body=order)
        return made

    def watch_dataset(self, dataset_id: str) -> Iterator[Dataset]:
        """The dataset now and again, until it is checked."""
        while True:
            answer = self._send("GET", f"/datasets/{_segment(dataset_id)}")
            found: Dataset = answer.json()
            yield found
            if found["status"] != "checking":
                return
            time.sleep(seconds(answer.headers.get("Retry-After"), 1.0))

    def change_dataset(
        self, dataset_id: str, *, name: str | None = None, licence: str | None = None
    ) -> Dataset:
        """Call a dataset something else, or note where its pictures come from and who may use
        them; None leaves what is said."""
        said = {"name": name, "licence": licence}
        body = {field: text for field, text in said.items() if text is not None}
        changed: Dataset = self._json("PATCH", f"/datasets/{_segment(dataset_id)}", body=body)
        return changed

    def delete_dataset(self, dataset_id: str) -> None:
        """Forget a dataset that no job needs any more."""
        self._send("DELETE", f"/datasets/{_segment(dataset_id)}").close()
