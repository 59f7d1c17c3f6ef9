<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Invoices orders as they come, and makes the reports that are too heavy for a page.

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
    $report = $queue->takeReport();
    if ($report !== null) {
        $made = Report::wanted(json_decode($report, true))->make($orders);
        $process->log("report of {$made['orders']} orders, {$made['memory_mib']} MiB");
    }
    $orderId = $queue->take($worker);
    if ($orderId === null) {
        return;
    }
    $invoiced = $orders->invoice($orderId, $worker);
    $queue->done($worker, $orderId);
    $process->log("order $orderId " . ($invoiced ? "invoiced, waited {$invoiced['waited_ms']} ms" : 'skipped'));
});
