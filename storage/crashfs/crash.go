package crashfs

// A Cut is a power cut.
type Cut struct {
	// Choose decides what survives. It returns a number from 0 to n-1: 0 is always what was
	// durable, n-1 what was written last. The same answers leave the same.
	Choose func(n int) int
	// Unordered leaves of the changes of a folder any, instead of the first few.
	Unordered bool
	// Garbage is in a file that has grown, where its new content did not survive: a file system
	// that writes sizes before content. Otherwise there are zeros.
	Garbage bool
}

// Crash returns the file system as it may be after a power cut now. All that is in it is durable,
// nothing is open or locked, and no faults are injected. f is not changed, so that many crashes
// can be tried.
func (f *FS) Crash(cut Cut) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := New(f.sector)
	left.root = f.root.survivor(&cut)
	return left
}

func (d *folder) survivor(cut *Cut) *folder {
	left := newFolder()
	names := d.survivors(cut)
	for _, name := range sorted(names) {
		switch n := names[name].(type) {
		case *folder:
			left.names[name] = n.survivor(cut)
		case *inode:
			left.names[name] = n.survivor(cut)
		}
	}
	left.sync()
	return left
}

// Kill returns the file system as it is after the process ended and the machine did not: what was
// written can be read, though a power cut may still lose it. Nothing is open or locked, and no
// faults are injected. f is not changed.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := New(f.sector)
	left.root = make(clones).of(f.root).(*folder)
	return left
}

// clones are what nodes were copied to.
type clones map[node]node

func (c clones) of(n node) node {
	if c[n] == nil {
		switch n := n.(type) {
		case *inode:
			c[n] = n.clone()
		case *folder:
			d := &folder{names: c.all(n.names), durable: c.all(n.durable)}
			for _, p := range n.pending {
				d.pending = append(d.pending, change{c.of(p.node), p.name})
			}
			c[n] = d
		}
	}
	return c[n]
}

func (c clones) all(names map[string]node) map[string]node {
	copied := make(map[string]node, len(names))
	for name, n := range names {
		copied[name] = c.of(n)
	}
	return copied
}
