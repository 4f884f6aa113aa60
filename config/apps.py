from django.apps import AppConfig


class OtpostConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks, traces  # noqa: F401  (importing checks registers them)

        traces.begin()
