<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

/** A process that runs until its container stops, and outlives restarts of the database and of Redis. */
final class Process
{
    private const RETRY_SECONDS = 1;

    private bool $stopping = false;

    /** $name is that of the heartbeat, too: see bin/health.php. */
    public function __construct(private readonly string $name, private readonly Services $services)
    {
        pcntl_async_signals(true);
        // SIGQUIT is the stop signal of PHP-FPM's image, and so what `docker stop` sends.
        foreach ([SIGTERM, SIGQUIT, SIGINT] as $signal) {
            pcntl_signal($signal, function (): void {
                $this->stopping = true;
            });
        }
    }

    /** Repeats $pass, each time to its end, with a pause between. The heartbeat is the last pass that went well. */
    public function run(callable $pass, int $pauseSeconds = 0): void
    {
        $this->log('started');
        while (!$this->stopping) {
            try {
                $pass();
                touch("/tmp/{$this->name}.heartbeat");
                $this->sleep($pauseSeconds);
            } catch (\PDOException | \RedisException $error) {
                $this->log('tries again in ' . self::RETRY_SECONDS . " s: {$error->getMessage()}");
                $this->services->disconnect();
                $this->sleep(self::RETRY_SECONDS);
            }
        }
        $this->log('stopped');
    }

    public function log(string $message): void
    {
        echo "{$this->name}: $message\n";
    }

    /** In steps of a second, since a signal that comes just before a sleep does not cut it short. */
    private function sleep(int $seconds): void
    {
        for ($slept = 0; $slept < $seconds && !$this->stopping; $slept++) {
            sleep(1);
        }
    }
}
