from tests.studies.conftest import _images_in_a_temporary_folder, _no_broker

__all__ = ["_images_in_a_temporary_folder", "_no_broker"]
