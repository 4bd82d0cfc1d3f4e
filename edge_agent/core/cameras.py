"""The tasks of all cameras: started, replaced and stopped as the configuration says."""

import asyncio
from collections.abc import Callable, Mapping

from edge_agent.capture.camera import Camera
from edge_agent.core.supervision import keep_running
from shared.protocol.config import CameraConfig
from shared.protocol.ids import CameraId, RoomId

MakeCamera = Callable[[CameraConfig], Camera]


class Cameras:
    """Owns the tasks of all cameras, inside a group of `core`. Used from the event loop."""

    def __init__(self, group: asyncio.TaskGroup, make: MakeCamera) -> None:
        self._group = group
        self._make = make
        self._cameras: dict[CameraId, Camera] = {}
        self._configs: dict[CameraId, CameraConfig] = {}
        self._tasks: dict[CameraId, asyncio.Task[None]] = {}
        self._changing = asyncio.Lock()

    @property
    def configs(self) -> Mapping[CameraId, CameraConfig]:
        """The cameras as configured now."""
        return self._configs

    def in_room(self, room_id: RoomId) -> dict[CameraId, Camera]:
        """Returns the running cameras of a room."""
        return {i: camera for i, camera in self._cameras.items() if self._configs[i].room_id == room_id}

    def describe(self, config: CameraConfig) -> None:
        """Replaces name, position, room or delay of a camera that keeps running."""
        self._configs[config.id] = config

    async def start(self, config: CameraConfig) -> None:
        """Starts a camera, after ending the one that runs under its id."""
        async with self._changing:
            await self._end(config.id)
            camera = self._make(config)
            self._configs[config.id] = config
            self._cameras[config.id] = camera
            name = f"camera-{str(config.id)[-8:]}"
            self._tasks[config.id] = self._group.create_task(keep_running(name, camera.run), name=name)

    async def restart(self, camera_id: CameraId) -> None:
        """Reconnects a camera as it is configured."""
        if camera_id in self._configs:
            await self.start(self._configs[camera_id])

    async def stop(self, camera_id: CameraId) -> None:
        """Stops a camera if it runs; its task has ended when this returns."""
        async with self._changing:
            await self._end(camera_id)

    async def stop_all(self) -> None:
        """Ends all cameras at once."""
        async with self._changing:
            await asyncio.gather(*(self._end(camera_id) for camera_id in tuple(self._tasks)))

    async def _end(self, camera_id: CameraId) -> None:
        self._cameras.pop(camera_id, None)
        self._configs.pop(camera_id, None)
        task = self._tasks.pop(camera_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
