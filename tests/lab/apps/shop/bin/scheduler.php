<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Every SCHEDULER_SECONDS: the day's totals, and another try for orders that got lost on their way.

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/../src/bootstrap.php';

const OVERDUE_SECONDS = 60;

$services = new Services();
$process = new Process('scheduler', $services);

$process->run(static function () use ($services, $process): void {
    $queue = new Queue($services->redis());
    // While orders wait in the queue, an overdue one is only late.
    if ($queue->length() === 0) {
        foreach ((new Orders($services->database()))->overdue(OVERDUE_SECONDS) as $orderId) {
            $queue->push($orderId);
            $process->log("order $orderId queued again");
        }
    }
    (new Schedule($services->database()))->tick(gethostname());
}, (int) Config::get('SCHEDULER_SECONDS', '10'));
