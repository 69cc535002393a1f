package inside

import "unsafe"

// carrier writes a plan, or reads it: one list of its fields for both.
type carrier struct {
	text   []byte
	reads  bool
	broken bool
}

// Encode is the plan as it is sent.
func (p *Plan) Encode() []byte {
	c := &carrier{}
	p.carry(c)
	return c.text
}

// decode reads one.
func decode(text []byte) (*Plan, error) {
	p, c := &Plan{}, &carrier{text: text, reads: true}
	p.carry(c)
	if c.broken || len(c.text) > 0 {
		return nil, errFrame
	}
	return p, nil
}

func (p *Plan) carry(c *carrier) {
	list(c, &p.Root, func(m *Mount) { c.string(&m.From); c.string(&m.To); c.bool(&m.Writable); c.bool(&m.Device) })
	list(c, &p.Links, func(l *Link) { c.string(&l.At); c.string(&l.To) })
	list(c, &p.Files, func(f *File) { c.string(&f.At); c.string(&f.Text) })
	for _, l := range []*[]string{&p.Private, &p.Hidden, &p.Writable, &p.Args, &p.Env} {
		list(c, l, c.string)
	}
	for _, s := range []*string{&p.Terminal, &p.Dir, &p.Path, &p.Filter} {
		c.string(s)
	}
	c.uint64(&p.MaxDisk)
	c.uint64(&p.MaxProcs)
	c.bool(&p.Best)
}

func list[T any](c *carrier, all *[]T, each func(*T)) {
	n := uint32(len(*all))
	c.uint32(&n)
	for i := uint32(0); i < n && !c.broken; i++ {
		if c.reads {
			*all = append(*all, *new(T))
		}
		each(&(*all)[i])
	}
}

func (c *carrier) uint32(n *uint32) {
	if !c.reads {
		c.text = append(c.text, Number(*n)...)
		return
	}
	if b := c.take(4); b != nil {
		*n = number(b)
	}
}

func (c *carrier) uint64(n *uint64) {
	high, low := uint32(*n>>32), uint32(*n)
	c.uint32(&high)
	c.uint32(&low)
	*n = uint64(high)<<32 | uint64(low)
}

func (c *carrier) bool(b *bool) {
	n := uint32(0)
	if *b {
		n = 1
	}
	c.uint32(&n)
	*b = n == 1
}

func (c *carrier) string(s *string) {
	n := uint32(len(*s))
	c.uint32(&n)
	if !c.reads {
		c.text = append(c.text, *s...)
		return
	}
	if b := c.take(n); b != nil {
		*s = unsafe.String(unsafe.SliceData(b), len(b)) // the frame is nobody else's
	}
}

// take is the next bytes; nil where there are not so many.
func (c *carrier) take(n uint32) []byte {
	if uint64(n) > uint64(len(c.text)) {
		c.broken = true
		return nil
	}
	b := c.text[:n]
	c.text = c.text[n:]
	return b
}
