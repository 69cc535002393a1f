package sign

// BaseString and AnswerDigest are for published values of single steps.
var BaseString = baseString

// AnswerDigest answers the challenge in a WWW-Authenticate header.
func AnswerDigest(header []string, count uint32, method, uri, user, password, cnonce string, body []byte) string {
	o, ok := parseChallenges(header)
	if !ok {
		return ""
	}
	o.count = count
	return o.answer(method, uri, user, password, cnonce, body)
}

// Hosts is how many hosts m remembers.
func (m *Memory) Hosts() int { return len(m.hosts) }
