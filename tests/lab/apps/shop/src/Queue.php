<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

use Redis;

/**
 * Orders on their way to a worker, as a list of ids in Redis.
 *
 * What a worker takes goes to a list of its own until it is done, so a worker that dies and starts again goes on with it. The database
 * knows which orders are not invoiced yet: what is lost with a worker for good, or with Redis, the scheduler finds there and queues again.
 */
final class Queue
{
    public const WAIT_SECONDS = 2;

    private const WAITING = 'queue';
    private const REPORTS = 'reports';
    private const TAKEN = 'queue:taken:';
    private const TAKEN_KEPT_SECONDS = 3600;
    private const WORKER_SEEN = 'worker:seen';

    public function __construct(private readonly Redis $redis)
    {
    }

    public function push(int $orderId): void
    {
        $this->redis->lPush(self::WAITING, (string) $orderId);
    }

    /** The order that this worker took before and has not done, or else the next one; null when none came within WAIT_SECONDS. */
    public function take(string $worker): ?int
    {
        $id = $this->redis->lIndex(self::TAKEN . $worker, 0);
        if ($id === false) {
            $id = $this->redis->blmove(self::WAITING, self::TAKEN . $worker, Redis::RIGHT, Redis::LEFT, self::WAIT_SECONDS);
            // A worker that never comes back leaves nothing behind.
            $this->redis->expire(self::TAKEN . $worker, self::TAKEN_KEPT_SECONDS);
        }
        return $id === false ? null : (int) $id;
    }

    public function done(string $worker, int $orderId): void
    {
        $this->redis->lRem(self::TAKEN . $worker, (string) $orderId, 0);
    }

    public function length(): int
    {
        return $this->redis->lLen(self::WAITING);
    }

    public function pushReport(string $report): void
    {
        $this->redis->lPush(self::REPORTS, $report);
    }

    /** The next report that is wanted; null when there is none. Who misses one that got lost on its way asks again. */
    public function takeReport(): ?string
    {
        return $this->redis->rPop(self::REPORTS) ?: null;
    }

    public function workerIsHere(): void
    {
        $this->redis->set(self::WORKER_SEEN, (string) time());
    }

    /** Seconds since a worker was last here; null before the first. */
    public function workerSeenSeconds(): ?int
    {
        $seen = $this->redis->get(self::WORKER_SEEN);
        return $seen === false ? null : max(0, time() - (int) $seen);
    }
}
