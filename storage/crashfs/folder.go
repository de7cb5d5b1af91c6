package crashfs

import (
	"io/fs"
	"maps"
)

// A node is a *folder or an *inode. It has one name at a time.
type node any

// A folder is what is called what.
type folder struct {
	names   map[string]node // as everybody sees it
	durable map[string]node
	pending []change // that lead from durable to names
}

// A change gives a node its name, in place of any it had and of any other node of that name. A
// node named "" is removed. So creating, renaming and removing are one, and each is atomic.
type change struct {
	node node
	name string
}

func newFolder() *folder {
	return &folder{names: make(map[string]node), durable: make(map[string]node)}
}

func (d *folder) file(name string) (*inode, error) {
	switch n := d.names[name].(type) {
	case *inode:
		return n, nil
	case nil:
		return nil, fs.ErrNotExist
	}
	return nil, fs.ErrInvalid
}

func (d *folder) change(n node, name string) {
	c := change{n, name}
	c.apply(d.names)
	d.pending = append(d.pending, c)
}

func (c change) apply(names map[string]node) {
	maps.DeleteFunc(names, func(_ string, n node) bool { return n == c.node })
	if c.name != "" {
		names[c.name] = c.node
	}
}

func (d *folder) sync() {
	d.durable = maps.Clone(d.names)
	d.pending = nil
}

// survivors are the names that a power cut leaves.
func (d *folder) survivors(cut *Cut) map[string]node {
	names := maps.Clone(d.durable)
	if len(d.pending) == 0 {
		return names
	}
	if cut.Unordered {
		for _, c := range d.pending {
			if cut.Choose(2) == 1 {
				c.apply(names)
			}
		}
		return names
	}
	for _, c := range d.pending[:cut.Choose(len(d.pending)+1)] {
		c.apply(names)
	}
	return names
}
