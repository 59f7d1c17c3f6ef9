<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Invoices orders as they come.

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/../src/bootstrap.php';

$services = new Services();
$process = new Process('worker', $services);
$worker = gethostname();

$process->run(static function () use ($services, $process, $worker): void {
    $orders = new Orders($services->database());
    $queue = new Queue($services->redis());
    $queue->workerIsHere();
    $orderId = $queue->take($worker);
    if ($orderId === null) {
        return;
    }
    $invoiced = $orders->invoice($orderId, $worker);
    $queue->done($worker, $orderId);
    $process->log("order $orderId " . ($invoiced ? "invoiced, waited {$invoiced['waited_ms']} ms" : 'skipped'));
});
