"""What the benchmarks have in common: a command run for its time and its memory."""
import pathlib, subprocess, time

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
