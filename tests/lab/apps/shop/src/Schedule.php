<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

use PDO;

/** What the scheduler leaves in the database. */
final class Schedule
{
    public function __construct(private readonly PDO $database)
    {
    }

    /** Notes this tick, and the totals of today and, as its last orders may be invoiced after midnight, yesterday (UTC). */
    public function tick(string $host): void
    {
        $this->database->prepare(
            'INSERT INTO ticks (id, host, ticked_at, count) VALUES (1, ?, UTC_TIMESTAMP(3), 1)
             ON DUPLICATE KEY UPDATE host = VALUES(host), ticked_at = VALUES(ticked_at), count = count + 1'
        )->execute([$host]);
        // Not one REPLACE ... SELECT: that would lock the orders that it reads, and new ones would wait.
        $totals = $this->database->query(
            "SELECT DATE(created_at), COUNT(*), SUM(status = 'invoiced'), COALESCE(SUM(total_cents), 0)
             FROM orders WHERE created_at >= UTC_DATE() - INTERVAL 1 DAY GROUP BY DATE(created_at)"
        )->fetchAll(PDO::FETCH_NUM);
        $replace = $this->database->prepare('REPLACE INTO day_totals (day, orders, invoiced, total_cents) VALUES (?, ?, ?, ?)');
        foreach ($totals as $total) {
            $replace->execute($total);
        }
    }

    /** {host, count, seconds_ago}; null before the first. */
    public function lastTick(): ?array
    {
        return $this->database->query(
            'SELECT host, count, TIMESTAMPDIFF(SECOND, ticked_at, UTC_TIMESTAMP(3)) AS seconds_ago FROM ticks'
        )->fetch() ?: null;
    }

    /** Up to seven of {day, orders, invoiced, total_cents}, newest first. */
    public function dayTotals(): array
    {
        return $this->database->query('SELECT day, orders, invoiced, total_cents FROM day_totals ORDER BY day DESC LIMIT 7')->fetchAll();
    }
}
