package main

import (
	"slices"
	"time"
)

// unavailable says how long the cluster was without an acknowledged write when it need not have
// been: the 99th percentile over the longest silences that followed the beginnings and ends of faults.
//
// A silence is the time between one acknowledged write and the next, of all clients, so far as a
// majority of the nodes was up and connected all the while: it begins anew when that comes to be,
// and ends when that ends. It counts for the last fault that began or ended before it was over. For
// each of these the longest silence is one sample; one that no silence ended after is none.
//
// A node counts as down from just before a fault stops it until it answers again, or votes again if
// it was replaced; connected are nodes that hear each other, however late.
func unavailable(events []event, acknowledged []int64) time.Duration {
	slices.Sort(acknowledged)
	longest := make([]time.Duration, len(events))
	majority, since := false, int64(0)
	ends := func(fault int, at int64) {
		if majority {
			longest[fault] = max(longest[fault], time.Duration(at-since))
		}
		since = at
	}
	for i, e := range events {
		if e.majority != majority {
			ends(max(0, i-1), e.at)
			majority = e.majority
		}
		n, _ := slices.BinarySearch(acknowledged, e.at)
		for acknowledged = acknowledged[n:]; len(acknowledged) > 0; acknowledged = acknowledged[1:] {
			if i+1 < len(events) && acknowledged[0] >= events[i+1].at {
				break
			}
			ends(i, acknowledged[0])
		}
	}
	longest = slices.DeleteFunc(longest, func(d time.Duration) bool { return d == 0 })
	if len(longest) == 0 {
		return 0
	}
	slices.Sort(longest)
	return longest[(len(longest)*99+99)/100-1]
}
