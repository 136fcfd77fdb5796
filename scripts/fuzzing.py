"""What scripts/fuzz and scripts/fuzz-long share: the targets, their build, and one run of one."""
import base64
import ctypes
import glob
import os
import re
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build-fuzz")
FUZZ = os.path.join(TOP, "test", "fuzz")
MEMORY_MB = 1024
SLOW_SECONDS = 25  # an input that takes longer is a finding; generous, for machines that are busy
FINDING_LINES = 40
SHOWN_BYTES_MAX = 2048  # of an input, in base64
BEGINS = re.compile(r"does not hold:|Assertion|runtime error:|ERROR:|ALARM:")
NOISE = re.compile(r'#\d+\t|INFO:|NOTE:|stat::|NEW_|MS: \d|Base64:|artifact_prefix=|0x[0-9a-f]{2},|###|"|\s*$|==\d+==ABORTING|'
                   r"\s*(=>|0x|Shadow |[A-Z][A-Za-z' -]+: +[0-9a-f]{2}\b)|      Combine lib")
FRAME = re.compile(r"\s*#\d+ 0x[0-9a-f]+ +(?:in )?(.*?)(?: \(BuildId: \w+\))?$")
UNNAMED_FRAME = re.compile(r"\((.*/fuzz_\w+)\+(0x[0-9a-f]+)\)$")
FOREIGN_FRAME = re.compile(r"\(|\?\?|fuzzer::|__sanitizer_|__interceptor_|__libc_start|_start|main |__pthread_|raise |abort |__assert_|exit |__run_exit|"
                           r"malloc |free |realloc |calloc ")


def targets():
    """name -> (dictionary or None, the edges it must reach, patterns of the files it is for)"""
    found = {}
    with open(os.path.join(FUZZ, "targets.txt"), encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                found[words[0]] = (None if words[1] == "-" else words[1], int(words[2]), words[3:])
    there = {os.path.basename(p)[5:-2] for p in glob.glob(os.path.join(FUZZ, "fuzz_*.c"))}
    if there != set(found):
        raise SystemExit(f"test/fuzz/targets.txt: not as test/fuzz/: {sorted(there ^ set(found))}")
    return found


def chosen(names):
    """The targets named on the command line, with or without fuzz_; all of them if none is."""
    known = targets()
    names = [n.removeprefix("fuzz_") for n in names] or list(known)
    unknown = [n for n in names if n not in known]
    if unknown:
        raise SystemExit(f"no such fuzz target: {' '.join(unknown)}; there are {' '.join(known)}")
    return {n: known[n] for n in names}


def build(folder=BUILD, flags=""):
    settings = ["-DCMAKE_C_COMPILER=clang", "-DKEYWAY_FUZZ=ON", "-DKEYWAY_TESTS=OFF",
                "-DCMAKE_RULE_MESSAGES=OFF", "-DCMAKE_TARGET_MESSAGES=OFF", f"-DCMAKE_C_FLAGS={flags}"]
    goals = ["fuzz_" + name for name in targets()]
    for command in (["cmake", "-S", TOP, "-B", folder] + settings,
                    ["cmake", "--build", folder, "-j", str(os.cpu_count()), "--target"] + goals):
        run = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, check=False)
        if run.returncode != 0:
            raise SystemExit("\n".join(run.stdout.splitlines()[-40:]) + "\nfuzz: the build fails")


def seeds_of(name):
    return os.path.join(FUZZ, "corpus", name)


def corpus_of(name):
    """Where a target's findings grow, beside the small corpus in the tree, which stays as it is."""
    path = os.path.join(BUILD, "corpus", "fuzz_" + name)
    os.makedirs(path, exist_ok=True)
    return path


def artifacts(name):
    """Inputs that failed once."""
    kinds = ("crash", "leak", "timeout", "oom")
    return [p for k in kinds for p in glob.glob(os.path.join(BUILD, f"fuzz_{name}-{k}-*"))]


def frame_of(where):
    """Function and place; without llvm-symbolizer the sanitizers give an address only."""
    unnamed = UNNAMED_FRAME.match(where)
    if unnamed:
        found = subprocess.run(["addr2line", "-f", "-C", "-e", unnamed[1], unnamed[2]], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, check=False).stdout.split("\n")
        where = " ".join(found[:2])
    return re.sub(r"[^ ]*/(?=(src|include|test)/)", "", where)


def tidied(line):
    """A line of a finding; None if it does not matter."""
    frame = FRAME.match(line)
    if frame:
        where = frame_of(frame[1])
        return None if FOREIGN_FRAME.match(where) else "    " + where
    return None if NOISE.match(line) else line[:300]


def ordered_seeds(name):
    """A file that names the small corpus in an order that is the same on every machine."""
    path = os.path.join(BUILD, f"fuzz_{name}.seeds")
    with open(path, "w", encoding="utf-8") as f:
        f.write(",".join(sorted(glob.glob(os.path.join(seeds_of(name), "*")))))
    return path


def fix_addresses():
    """Where the system allows it: addresses are among what libFuzzer tries."""
    ADDR_NO_RANDOMIZE = 0x0040000
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


class Run:
    """One run of one target, as a process of its own. With a seed it repeats itself: it begins from
    the small corpus alone, and keeps nothing."""

    def __init__(self, name, dictionary, seconds, seed=None):
        self.name = name
        self.log = os.path.join(BUILD, f"fuzz_{name}.log")
        self.started = time.monotonic()
        command = [os.path.join(BUILD, "fuzz_" + name), f"-max_total_time={max(1, int(seconds))}",
                   f"-timeout={SLOW_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1",
                   f"-artifact_prefix={BUILD}/fuzz_{name}-"]
        if dictionary:
            command.append(f"-dict={FUZZ}/dictionaries/{dictionary}.dict")
        if seed is None:
            command += [corpus_of(name)] + [p for p in [seeds_of(name)] if os.path.isdir(p)]
        else:
            command += [f"-seed={seed}", f"-seed_inputs=@{ordered_seeds(name)}"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            preexec_fn=None if seed is None else fix_addresses)
        self.ended = None

    def wait(self, blocking=True):
        """True once it has ended; self.failed and self.cpu_seconds are known then."""
        if self.ended is None:
            pid, status, usage = os.wait4(self.process.pid, 0 if blocking else os.WNOHANG)
            if pid == 0:
                return False
            self.ended = os.waitstatus_to_exitcode(status)
            self.process.returncode = self.ended
            self.cpu_seconds = usage.ru_utime + usage.ru_stime
            self.wall_seconds = time.monotonic() - self.started
            self.failed = self.ended != 0
        return True

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def figures(self):
        """executions, edges, features, inputs of the corpus: as libFuzzer counted them last"""
        text = self.text()
        status = re.findall(r"^#\d+\t\w+ +cov: (\d+) ft: (\d+) corp: (\d+)", text, re.M)
        units = re.search(r"^stat::number_of_executed_units: *(\d+)", text, re.M)
        count = int(units[1]) if units else max([int(n) for n in re.findall(r"^#(\d+)\t", text, re.M)] or [0])
        return (count, *(int(n) for n in (status[-1] if status else (0, 0, 0))))

    def finding(self):
        """What was found, without what libFuzzer says besides; and how to see it again, from this
        text alone if the input is small."""
        text = self.text()
        lines = text.splitlines()
        begin = next((i for i, line in enumerate(lines) if BEGINS.search(line)), max(0, len(lines) - FINDING_LINES))
        told = [tidy for tidy in map(tidied, lines[begin:]) if tidy]
        if len(told) > FINDING_LINES:
            told = told[:FINDING_LINES - 2] + ["..."] + [line for line in told if line.startswith("SUMMARY")][-1:]
        seed = re.search(r"^INFO: Seed: (\d+)", text, re.M)
        told.append(f"{self.name} found this with the seed {seed[1] if seed else '?'} after {self.figures()[0]} executions or "
                    f"some more, and ended with status {self.ended}")
        written = re.search(r"Test unit written to (\S+)", text)
        if not written or not os.path.exists(written[1]):
            return "\n".join(told)
        path = os.path.relpath(written[1], TOP)
        told.append(f"again: build-fuzz/fuzz_{self.name} {path}")
        if os.path.getsize(written[1]) <= SHOWN_BYTES_MAX:
            with open(written[1], "rb") as f:
                told.append(f"which is: echo {base64.b64encode(f.read()).decode()} | base64 -d >{path}")
        return "\n".join(told)
