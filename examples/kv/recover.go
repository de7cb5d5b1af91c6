package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
)

// recoverCluster says what is left of a cluster that has lost its majority for good, and writes nothing. With -data it
// then makes that the beginning of a new cluster, of one node.
func recoverCluster(o *options, stdout io.Writer) (err error) {
	found, err := openSurvivors(o)
	defer func() { err = errors.Join(err, found.close()) }()
	if err != nil {
		return err
	}
	store := newStore()
	r, err := consensus.Recover(consensus.RecoverConfig{
		Group: groupID, Protocol: protocols[o.node.protocol], StateMachine: store, Survivors: found.survivors,
	})
	fmt.Fprint(stdout, r)
	if err != nil {
		return o.node.explain(err)
	}
	keys, _ := store.size()
	fmt.Fprintf(stdout, "Keys in it: %d.\n", keys)
	switch {
	case o.data == "" && r.Quorum:
		return nil
	case o.data == "":
		fmt.Fprintln(stdout, "This was a dry run. To make a new cluster of it give also -id and -data, a node and its new folder, and -cluster, the new number.")
		return nil
	case r.Quorum:
		return errors.New("nothing was done: the survivors are a majority, and need only be started")
	case o.cluster == found.cluster:
		return fmt.Errorf("nothing was done: %d is the number of the cluster that is lost, and the new one needs another: -cluster %d, for one", o.cluster, r.ClusterID)
	}
	if err := restore(o, r); err != nil {
		return err
	}
	fmt.Fprintf(stdout, `%s is node %d of cluster %d now. Start it with -data %[1]s -cluster %[3]d -members %[2]d.
The others, the survivors too, come in with empty folders, -cluster %[3]d and -join, and CONSENSUS ADD.
`, o.data, o.node.id, o.cluster)
	return nil
}

// restore makes what was recovered all that is in -data.
func restore(o *options, r *consensus.Recovery) error {
	disk, err := openDisk(&o.node, o.cluster, o.data)
	if err != nil {
		return err
	}
	backup, w := io.Pipe()
	go func() {
		_, err := r.Backup(w)
		w.CloseWithError(err)
	}()
	_, err = consensus.Restore(disk, groupID, backup)
	backup.Close() // so that Backup ends
	return errors.Join(err, disk.Close())
}

// survivors are the stores that nodes of a cluster have left.
type survivors struct {
	cluster   uint64
	survivors []consensus.Survivor
	disks     []*storage.Disk
}

// openSurvivors opens the folders of -recover. It also returns what it has opened if it fails.
func openSurvivors(o *options) (*survivors, error) {
	s := &survivors{}
	for i, dir := range o.recover {
		id, err := storage.Identify(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return s, fmt.Errorf("%s is no node's folder", dir)
		case err != nil:
			return s, err
		case i > 0 && id.Cluster != s.cluster:
			return s, fmt.Errorf("%s is of cluster %d, and %s of cluster %d", o.recover[0], s.cluster, dir, id.Cluster)
		}
		for k := range s.survivors {
			if s.survivors[k].ID == id.Node {
				return s, fmt.Errorf("both %s and %s are node %d's: give the one that it used last", o.recover[k], dir, id.Node)
			}
		}
		node := o.node
		node.id = id.Node
		disk, err := openDisk(&node, id.Cluster, dir)
		if err != nil {
			return s, err
		}
		s.cluster, s.disks = id.Cluster, append(s.disks, disk)
		s.survivors = append(s.survivors, consensus.Survivor{ID: id.Node, Storage: disk})
	}
	return s, nil
}

func (s *survivors) close() (err error) {
	for _, disk := range s.disks {
		err = errors.Join(err, disk.Close())
	}
	return err
}
