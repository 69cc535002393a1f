package override

import (
	"bytes"
	"regexp"
	"strings"
)

// boundaries are Content-Types whose boundary every reader finds to be the same.
var boundaries = regexp.MustCompile(`^(?i:multipart/[a-z-]+[ \t]*;[ \t]*(?:charset="?utf-8"?[ \t]*;[ \t]*)?boundary=)(?:"([0-9A-Za-z'()+_,./:=?-]{1,70})"|([0-9A-Za-z'+_.-]{1,70}))(?i:[ \t]*;[ \t]*charset="?utf-8"?)?[ \t]*;?$`)

func boundaryOf(contentType string) (string, bool) {
	m := boundaries.FindStringSubmatch(strings.TrimSpace(contentType))
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

// parts reads multipart bodies. Everything that readers see differently is refused:
// a boundary anywhere but in a line of its own, heads with other line ends than
// CRLF or with folded lines, names in another way than name="…".
func (l *Look) parts(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	delimiter := []byte("--" + l.boundary)
	sections := bytes.Split(b, delimiter)
	if first := sections[0]; len(sections) < 2 || len(first) > 0 && string(first) != "\r\n" {
		return unreadable("it does not begin with its boundary")
	}
	for i, part := range sections[1:] {
		last := i == len(sections)-2
		switch {
		case last && bytes.HasPrefix(part, []byte("--")) && len(bytes.TrimLeft(part[2:], "\r\n")) == 0:
			return nil
		case last || !bytes.HasSuffix(part, []byte("\r\n")):
			return unreadable("its boundaries are not lines of their own, or it has no end")
		case !bytes.HasPrefix(part, []byte("\r\n")):
			return unreadable("a boundary goes on")
		}
		if err := partHead(part[2:]); err != nil {
			return err
		}
	}
	return unreadable("it has no end")
}

// partHead reads the lines before a part's content.
func partHead(part []byte) error {
	var lines [][]byte
	if !bytes.HasPrefix(part, []byte("\r\n")) {
		head, _, ok := bytes.Cut(part, []byte("\r\n\r\n"))
		if !ok {
			return unreadable("a part has no end of its head")
		}
		lines = bytes.Split(head, []byte("\r\n"))
	}
	named := 0
	for _, line := range lines {
		if bytes.ContainsAny(line, "\r\n\x00") {
			return unreadable("a part's head has other line ends than CRLF")
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok || !fieldName.MatchString(name) {
			return unreadable("a part's head has a line that is none, or that is folded")
		}
		switch strings.ToLower(name) {
		case "content-disposition":
			named++
			if err := disposition(value); err != nil {
				return err
			}
		case "content-type":
			if strings.Contains(strings.ToLower(value), "multipart") {
				return unreadable("it has parts within parts")
			}
		default: // some name a part by its Content-ID
			if isMethod(strings.Trim(value, " \t\"<>")) {
				return errOverride
			}
		}
	}
	if named != 1 {
		return unreadable("a part has no name, or several")
	}
	return nil
}

var (
	fieldName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
	// dispositions are as browsers and libraries write them.
	dispositions = regexp.MustCompile(`^[ \t]*(?i:form-data|attachment|inline)((?:[ \t]*;[ \t]*(?i:name|filename|filename\*)=(?:"(?:[^"\\]|\\.)*"|[^\s;,"\\]+))*)[ \t]*;?[ \t]*$`)
	param        = regexp.MustCompile(`([A-Za-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"\\]+))`)
)

func disposition(value string) error {
	m := dispositions.FindStringSubmatch(value)
	if m == nil {
		return unreadable("a part is named in another way than name=\"…\"")
	}
	names := 0
	for _, p := range param.FindAllStringSubmatch(m[1], -1) {
		if !strings.EqualFold(p[1], "name") {
			continue
		}
		names++
		name := p[2] + p[3]
		if isMethod(name) || isMethod(strings.ReplaceAll(name, `\`, "")) {
			return errOverride
		}
		if strings.Contains(name, "=?") { // RFC 2047, which some undo here
			return unreadable("a part's name is encoded")
		}
	}
	if names > 1 {
		return unreadable("a part has several names")
	}
	return nil
}
