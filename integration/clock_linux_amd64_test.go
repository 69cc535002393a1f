package integration_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"
)

// shiftClock moves the wall clock of a running process by d, and leaves the
// monotonic clock alone, as when somebody sets the clock of its host. The program
// is the one that is released: it has no hook for this. Go asks for the time
// through the kernel's vDSO (vdso(7)), which is a page of code in each process;
// written through /proc/PID/mem it becomes a copy of that process's own. Its
// clock_gettime becomes
//
//	mov  eax, 228        ; SYS_clock_gettime
//	syscall
//	test edi, edi        ; CLOCK_REALTIME is 0
//	jne  +7
//	add  qword [rsi], d  ; seconds
//	ret
//
// The first call should come before the process is busy. It may be repeated.
func shiftClock(pid int, d time.Duration) error {
	lo, hi, err := vdsoOf(pid)
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	page := make([]byte, hi-lo)
	if _, err := mem.ReadAt(page, int64(lo)); err != nil {
		return err
	}
	image, err := elf.NewFile(bytes.NewReader(page))
	if err != nil {
		return err
	}
	symbols, err := image.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		if s.Name != "__vdso_clock_gettime" {
			continue
		}
		code := []byte{0xb8, 0xe4, 0, 0, 0, 0x0f, 0x05, 0x85, 0xff, 0x75, 0x07, 0x48, 0x81, 0x06, 0, 0, 0, 0, 0xc3}
		binary.LittleEndian.PutUint32(code[14:], uint32(int32(d/time.Second)))
		if bytes.HasPrefix(page[s.Value:], code[:14]) { // once more: only the number
			_, err = mem.WriteAt(code[14:18], int64(lo+s.Value)+14)
		} else {
			_, err = mem.WriteAt(code, int64(lo+s.Value))
		}
		return err
	}
	return fmt.Errorf("the vDSO of %d has no clock_gettime", pid)
}

func vdsoOf(pid int) (lo, hi uint64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasSuffix(s.Text(), "[vdso]") {
			_, err := fmt.Sscanf(s.Text(), "%x-%x", &lo, &hi)
			return lo, hi, err
		}
	}
	return 0, 0, fmt.Errorf("process %d has no vDSO", pid)
}
