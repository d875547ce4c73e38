/* SPDX-License-Identifier: MIT */
/*
 * Of the model of the process pool: the threads of the program that uses it.
 * Included by processes.pml.
 */

/* A thread of the program that submits, resizes, shuts down. */
active proctype program()
{
	byte i, t, f, ft, fq;
	bool resized;
	mtype m;

	do
	:: atomic {
		/* submit.c: conc__process_submit */
		i < TASKS ->
		future[i] = WAITING;
		place[i] = QUEUE;
		i++;
		feed();
		if
		:: i == 1 -> /* the first two at once: that is order enough */
			future[1] = WAITING;
			place[1] = QUEUE;
			i++;
			feed()
		:: else
		fi
	   }
	:: atomic {
		/* process_pool.c: pool_resize */
		!resized ->
		resized = true;
		target = 1;
		bell = true
	   }
	:: atomic {
		/* shutdown.c: conc__process_shutdown */
		if
		:: shut = DRAIN
		:: shut = CANCEL
		:: shut = TERMINATE
		fi;
		do
		:: i < TASKS -> future[i] = REFUSED; i++
		:: else -> break
		od;
		i = 0;
		resized = false;
		bell = true;
		break
	   }
	od;
	atomic {
		finished ->
		assert(slot[0] == FREE && slot[1] == FREE);
		assert(!there[0] && !there[1]);
		check(0);
		check(1);
		check(2)
	}
}

/* Another thread, that cancels a task, or has it killed. */
active proctype canceller()
{
	byte t, f, fq, ft, i, n;
	mtype m;

	do
	:: n < CANCELS ->
		n++;
		if
		:: i = 0
		:: i = 1
		:: i = 2
		fi;
		if
		:: atomic {
			/* future.c: conc_future_cancel */
			future[i] == WAITING -> future[i] = WON
		   };
		   atomic {
			/* submit.c: conc__process_withdraw */
			if
			:: place[i] == QUEUE -> place[i] = NOWHERE
			:: else
			fi;
			end(i);
			RING_BELL
		   }
		:: atomic {
			/* submit.c: conc__process_revoke */
			future[i] == HANDED && IS(place[i], seq_of[i], PENDING) ->
			CLEAR(place[i], seq_of[i]);
			future[i] = WON
		   };
		   atomic {
			/* feed.c: conc__slot_forget */
			place[i] = NOWHERE;
			feed();
			end(i);
			RING_BELL
		   }
		:: atomic {
			future[i] == HANDED && IS(place[i], seq_of[i], RUNNING) ->
			CLAIM(place[i], seq_of[i]) = ASKED
		   }
		:: atomic {
			/* submit.c: conc__process_kill */
			future[i] == HANDED && deaths > 0 && IS(place[i], seq_of[i], RUNNING) ->
			deaths--;
			killed[i] = true;
			bell = true
		   }
		:: skip
		fi;
		i = 0
	:: else -> break
	od
}

#ifdef ERR_PENDING_LATE
active proctype latecomer()
{
end_idle:
	do
	:: atomic { late[0] != 0 -> SET(0, late[0], PENDING); late[0] = 0 }
	:: atomic { late[1] != 0 -> SET(1, late[1], PENDING); late[1] = 0 }
	od
}
#endif
