package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// browser is a page in a real Chromium, spoken to through its DevTools protocol.
type browser struct {
	t       *testing.T
	ws      *websocket.Conn
	session string
	mu      sync.Mutex
	next    int
	waiting map[int]chan message
	// complaints are errors of the page's scripts and violations of its policy.
	complaints []string
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct{ Message string }
}

// openBrowser starts Chromium until the test ends. Without it the test is
// skipped, and fails if CI is set.
func openBrowser(t *testing.T, url string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium")
		}
		t.Skip("no Chromium")
	}
	profile, err := os.MkdirTemp("", "attache-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--window-size=1280,860",
		"--remote-debugging-port=0", "--user-data-dir="+profile, "about:blank")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		// Its other processes are nobody's to wait for: they may be writing still.
		for tries := 0; os.RemoveAll(profile) != nil && tries < 50; tries++ {
			time.Sleep(20 * time.Millisecond)
		}
	})
	var address string
	lines := bufio.NewScanner(pipe)
	for lines.Scan() && address == "" {
		_, address, _ = strings.Cut(lines.Text(), "DevTools listening on ")
	}
	go func() {
		for lines.Scan() {
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, address, nil)
	if err != nil {
		t.Fatalf("Chromium at %q: %v", address, err)
	}
	ws.SetReadLimit(16 << 20)
	b := &browser{t: t, ws: ws, waiting: map[int]chan message{}}
	go b.listen(ctx)
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Runtime", "Log", "Page"} {
		b.call(domain+".enable", nil, nil)
	}
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	return b
}

func (b *browser) listen(ctx context.Context) {
	for {
		_, raw, err := b.ws.Read(ctx)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(raw, &m) != nil {
			continue
		}
		b.mu.Lock()
		if ch := b.waiting[m.ID]; ch != nil && m.ID > 0 {
			ch <- m
			delete(b.waiting, m.ID)
		}
		switch m.Method {
		case "Runtime.exceptionThrown":
			b.complaints = append(b.complaints, string(m.Params))
		case "Log.entryAdded":
			if s := string(m.Params); strings.Contains(s, `"error"`) && !strings.Contains(s, "favicon") {
				b.complaints = append(b.complaints, s)
			}
		}
		b.mu.Unlock()
	}
}

func (b *browser) call(method string, params any, result any) {
	b.t.Helper()
	if problem := b.ask(method, params, result); problem != "" {
		b.t.Fatalf("%s: %s", method, problem)
	}
}

// ask is call, whose mistakes are the caller's to tell.
func (b *browser) ask(method string, params any, result any) (problem string) {
	b.t.Helper()
	b.mu.Lock()
	b.next++
	id, ch := b.next, make(chan message, 1)
	b.waiting[id] = ch
	b.mu.Unlock()
	raw, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params, "sessionId": b.session})
	if b.session == "" {
		raw, err = json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	}
	if err == nil {
		err = b.ws.Write(context.Background(), websocket.MessageText, raw)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case m := <-ch:
		if m.Error != nil {
			return m.Error.Message
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(30 * time.Second):
		return "no answer"
	}
	return ""
}

// inside does f in another window of this browser: the first whose address has
// part in it.
func (b *browser) inside(part string, f func()) {
	b.t.Helper()
	mine := b.session
	defer func() { b.session = mine }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		b.session = ""
		var all struct {
			TargetInfos []struct{ TargetID, Type, URL string }
		}
		b.call("Target.getTargets", nil, &all)
		for _, w := range all.TargetInfos {
			if w.Type == "page" && strings.Contains(w.URL, part) {
				var attached struct{ SessionID string }
				b.call("Target.attachToTarget", map[string]any{"targetId": w.TargetID, "flatten": true}, &attached)
				b.session = attached.SessionID
				for _, domain := range []string{"Runtime", "Log", "Page"} {
					b.call(domain+".enable", nil, nil)
				}
				f()
				return
			}
		}
	}
	b.t.Fatalf("no window has %q in its address", part)
}

// look sets the size of the window and keeps a picture of it where the
// environment says so, for people to look at.
func (b *browser) look(name string, width int) {
	b.t.Helper()
	dir := os.Getenv("ATTACHE_PICTURES")
	if dir == "" {
		return
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 760, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// eval runs an expression in the page and returns its value as text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var out struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Exception struct{ Description string } }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &out)
	if out.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, out.ExceptionDetails.Exception.Description)
	}
	return fmt.Sprint(out.Result.Value)
}

// see waits until the page shows some text.
func (b *browser) see(text string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf("document.body && document.body.innerText.includes(%q)", text), "to show "+text)
}

// holds reports whether a condition is true. A page that is being left has no
// answer; the next one has.
func (b *browser) holds(condition string) bool {
	b.t.Helper()
	var out struct{ Result struct{ Value any } }
	problem := b.ask("Runtime.evaluate", map[string]any{"expression": "Boolean(" + condition + ")", "returnByValue": true}, &out)
	return problem == "" && out.Result.Value == true
}

func (b *browser) waitFor(condition, what string) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); !b.holds(condition); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("the page was waited for %s; it shows:\n%s\n%v", what, b.eval("document.body.innerText"), b.complaints)
		}
	}
}

// fill puts text into the input with a label, as typing does.
func (b *browser) fill(label, text string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf("[...document.querySelectorAll('label')].some((l) => l.firstChild.textContent.startsWith(%q))", label), "to ask for "+label)
	b.eval(fmt.Sprintf(`(() => {
		const l = [...document.querySelectorAll('label')].find((l) => l.firstChild.textContent.startsWith(%q));
		const i = l.control;
		i.value = %q;
		i.dispatchEvent(new Event('input', {bubbles: true}));
		i.dispatchEvent(new Event('change', {bubbles: true}));
	})()`, label, text))
}

func (b *browser) click(text string) {
	b.t.Helper()
	// What a question asks comes first, then the page, then the frame around it.
	find := fmt.Sprintf("['dialog[open]', 'main', 'body'].flatMap((at) => [...document.querySelectorAll(at + ' button,' + at + ' a')]).find((e) => e.textContent.trim() === %q && !e.disabled)", text)
	b.waitFor(find, "to have "+text)
	b.eval(find + ".click()")
}

// sure clicks what asks first, and answers.
func (b *browser) sure(text, question string) {
	b.t.Helper()
	b.click(text)
	b.waitFor("document.querySelector('dialog[open]')", "to ask")
	if asked := b.eval("document.querySelector('dialog[open]').innerText"); !strings.Contains(asked, question) {
		b.t.Errorf("the question is %q, want %q in it", asked, question)
	}
	b.click(text)
	b.waitFor("!document.querySelector('dialog[open]')", "to ask no more")
}

// tick clicks the box with a label.
func (b *browser) tick(label string) {
	b.t.Helper()
	b.eval(fmt.Sprintf("[...document.querySelectorAll('label')].find((l) => l.textContent.startsWith(%q)).control.click()", label))
}

// choose finds a service in the gallery and opens its form by Enter.
func (b *browser) choose(words, title string) {
	b.t.Helper()
	b.click("Connect a service")
	b.see("services")
	b.fill("Search", words)
	b.see("1 service.")
	b.key("Enter")
	b.see("Connect " + title)
}

// seesLive makes agents until the page, which follows the audit, shows one of
// them: nothing says when it has begun to follow.
func (b *browser) seesLive(w *world) {
	b.t.Helper()
	made := 0
	for end := time.Now().Add(30 * time.Second); b.eval("document.body.innerText.includes('made-meanwhile')") != "true"; time.Sleep(300 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("the page does not show what happens; it shows:\n%s", b.eval("document.body.innerText"))
		}
		made++
		w.agent(fmt.Sprint("made-meanwhile-", made))
	}
}

// noComplaints checks that the page's scripts and its policy were fine so far,
// except for what contains one of the expected texts.
func (b *browser) noComplaints(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(c, e) }) {
			b.t.Errorf("the browser complains: %s", c)
		}
	}
	b.complaints = nil
}
