"""What the benchmarks have in common: a command run for its time and its memory, and what such commands are given."""
import asyncio, gzip, hashlib, io, json, pathlib, random, re, shutil, socket, struct, subprocess, tarfile, threading, time

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}


def measured(command, **more):
    """Seconds, and the largest resident size in MiB of the process itself."""
    start, most = time.perf_counter(), 0
    child = subprocess.Popen(command, **QUIET, **more)
    while child.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
        except OSError:
            break
        most = max([most] + [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")])
        time.sleep(0.002)
    took = time.perf_counter() - start
    assert child.wait() == 0, command
    return took, most / 1024


# What programs for these platforms say in the header of their ELF files (e_machine).
PLATFORMS = {"linux/amd64": 62, "linux/arm64": 183, "linux/riscv64": 243, "linux/ppc64le": 21, "linux/loong64": 258}


def compiler_library():
    """Bytes as programs have them: those of the compiler's own library."""
    sysroot = pathlib.Path(subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip())
    return next(sysroot.glob("lib/librustc_driver-*.so")).read_bytes()[4096:]


def program(path, platform, mb, content, end):
    """A static program of `mb` million bytes: a header that is right, and what programs look like behind it."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, PLATFORMS[platform], 1, 0x400000, 0, 0, 0, 64, 56, 0, 64, 0, 0)
    with open(path, "wb") as out:
        out.write(header)
        left = mb * 1_000_000 - len(header) - len(end)
        while left > 0:
            left -= out.write(content[:left])
        out.write(end)


def write_base(folder, mb, platforms):
    """An OCI layout with the tag 1: one layer of `mb` million bytes that do not compress, for all platforms."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data, media_type, **more):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def document(value, kind, **more):
        return put(json.dumps(value).encode(), f"application/vnd.oci.image.{kind}.v1+json", **more)

    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("usr/share/noise")
        info.size, info.mode = mb * 1_000_000, 0o644
        # One call gives no more than 256 MiB.
        noise = random.Random(mb)
        archive.addfile(info, io.BytesIO(b"".join(noise.randbytes(1_000_000) for _ in range(mb))))
    tar = tar.getvalue()
    layer = put(gzip.compress(tar, 1, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
    entries = []
    for platform in platforms:
        operating_system, architecture = platform.split("/")
        names = {"os": operating_system, "architecture": architecture}
        rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]}
        config = document({**names, "config": {"Env": ["PATH=/bin"]}, "rootfs": rootfs}, "config")
        entries.append(document({"schemaVersion": 2, "config": config, "layers": [layer]}, "manifest", platform=names))
    index = document({"schemaVersion": 2, "manifests": entries}, "index", annotations={"org.opencontainers.image.ref.name": "1"})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def rust_lld():
    sysroot = pathlib.Path(subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip())
    found = next(sysroot.glob("lib/rustlib/*/bin/rust-lld"), None) or shutil.which("ld.lld")
    assert found, "no rust-lld: cargo build has nothing to link with"
    return str(found)


def registry(folder):
    """A docker-registry that keeps its content in `folder`, and its host."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "registry.json"
    config.write_text(json.dumps({
        "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}}, "http": {"addr": f"127.0.0.1:{port}"}}))
    child = subprocess.Popen(["docker-registry", "serve", str(config)], **QUIET)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    return child, f"127.0.0.1:{port}"


REQUEST = re.compile(rb"(?:GET|HEAD|PUT|POST|PATCH|DELETE) [^\r\n]+ HTTP/1\.1\r\n")


class Far:
    """A proxy before `port`, with a thread of its own. It counts the requests that pass."""

    def __init__(self, host, rtt):
        self.port, self.rtt, self.requests = int(host.rsplit(":", 1)[1]), rtt, 0
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.listen(started)), daemon=True).start()
        started.wait()

    async def listen(self, started):
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        async with server:
            await server.serve_forever()

    async def connected(self, reader, writer):
        await asyncio.sleep(self.rtt)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(self.later(reader, far_writer, True), self.later(far_reader, writer, False))

    async def later(self, reader, writer, is_request):
        """Passes on what comes, each piece half a round trip later; the next is read meanwhile."""
        pieces = asyncio.Queue()

        async def send():
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0, due - time.monotonic()))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
            writer.close()

        sending = asyncio.create_task(send())
        try:
            while piece := await reader.read(1 << 18):
                self.requests += len(REQUEST.findall(piece)) if is_request else 0
                pieces.put_nowait((time.monotonic() + self.rtt / 2, piece))
        except ConnectionError:
            pass
        pieces.put_nowait((time.monotonic() + self.rtt / 2, b""))
        try:
            await sending
        except ConnectionError:
            pass
