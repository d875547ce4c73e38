/* SPDX-License-Identifier: MIT */
/*
 * Of the model of the process pool: the workers, the zygote, and what befalls
 * workers.  Included by processes.pml.
 */

#ifdef ERR_ROOM_BY_TAKEN
#define READ           taken[me]++
#else
#define READ           skip
#endif

active [SLOTS] proctype worker()
{
	byte me = _pid;
	byte q, t;
	mtype m;

end_unborn:
	atomic { there[me] -> q = 0; t = 0 };
	/* worker.c: conc__worker_main */
	if
	:: atomic { alive[me] && len(reports[me]) < PIPE -> reports[me]!UP, 0 }
	:: atomic { !alive[me] -> there[me] = false; goto end_unborn }
	fi;
next:
	if
	:: atomic {
		/* run.c: claim */
		alive[me] && HAS(orders[me]) ->
		orders[me]?m, q, t;
		if
		:: m == BYE ->
			alive[me] = false;
			there[me] = false;
			m = 0; q = 0; t = 0;
			goto end_unborn
#ifdef ERR_RUN_UNCLAIMED
		:: m == TASK ->
#else
		:: m == TASK && IS(me, q, PENDING) ->
#endif
			SET(me, q, RUNNING);
			assert(!ran[t]);
			ran[t] = true
#ifndef ERR_RUN_UNCLAIMED
		:: else ->
			q = 0; t = 0; m = 0;
			READ;
			goto next
#endif
		fi;
		READ;
		m = 0
	   }
	:: atomic { !alive[me] -> there[me] = false; goto end_unborn }
	fi;
	/* wire.c: conc__report_write */
	if
	:: atomic {
		alive[me] && len(reports[me]) < PIPE ->
		reports[me]!RESULT, q;
		reported[t] = true;
		q = 0; t = 0;
		goto next
	   }
	:: atomic { !alive[me] -> there[me] = false; goto end_unborn }
	fi
}

/* zygote.c: conc__zygote_main */
active proctype zygote()
{
	byte s, n;

end_idle:
	do
	:: atomic {
		to_zygote?SPAWN, s, n ->
		/* zygote.c: spawn */
		assert(child[s] == 0 && !there[s]);
		child[s] = n;
		alive[s] = true;
		there[s] = true;
		to_host!SPAWNED, s, n;
		s = 0; n = 0
	   }
	:: atomic {
		to_zygote?KILL, s, n ->
		/* zygote.c: kill_child */
		if
		:: child[s] == n -> alive[s] = false
		:: else
		fi;
		s = 0; n = 0
	   }
	:: atomic {
		/* zygote.c: reap */
		child[0] != 0 && !there[0] ->
		n = child[0]; child[0] = 0;
		to_host!DIED, 0, n;
		n = 0
	   }
	:: atomic {
		child[1] != 0 && !there[1] ->
		n = child[1]; child[1] = 0;
		to_host!DIED, 1, n;
		n = 0
	   }
	:: atomic { to_zygote?QUIT, s, n -> break }
	od
}

/* What befalls workers. */
active proctype fate()
{
end_idle:
	do
	:: atomic { deaths > 0 && alive[0] -> deaths--; alive[0] = false; struck[0] = true }
	:: atomic { deaths > 0 && alive[1] -> deaths--; alive[1] = false; struck[1] = true }
	:: finished -> break
	od
}
